//! `check-config` and `config show`. Nothing is contacted, nothing is changed; the files of sources are read and looked
//! through.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use collect::{FileNews, FileSource, Looking, TargetList};

use super::EXIT_FAILURE;
use crate::config::{
    Config, EXIT_CONFIG, EndpointConfig, Environment, Problem, Resolved, SourceKind, no_such_endpoint,
};

/// Checks files and says of each that it is good, or what is wrong with it; answers the exit code.
pub fn check_config(
    paths: &[PathBuf],
    environment: &Environment,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> io::Result<u8> {
    let mut code = 0;
    for path in paths {
        match Config::load(path, environment) {
            Ok((config, warnings)) => {
                let Listed { sources, problems } = listed(&config);
                for warning in warnings.iter().chain(&problems) {
                    writeln!(errors, "warning: {warning}")?;
                }
                let (endpoints, sinks) = (config.endpoints.len(), config.sinks.len());
                let in_files: usize = sources.iter().map(|(_, endpoints)| endpoints.len()).sum();
                let in_files =
                    if sources.is_empty() { String::new() } else { format!("{in_files} in files, ") };
                writeln!(
                    out,
                    "{}: ok ({endpoints} {}, {in_files}{sinks} {})",
                    path.display(),
                    plural("endpoint", endpoints),
                    plural("sink", sinks)
                )?;
            }
            Err(problems) => {
                writeln!(errors, "{problems}")?;
                let count = problems.list().len();
                writeln!(errors, "{}: {count} {}", path.display(), plural("problem", count))?;
                code = EXIT_CONFIG;
            }
        }
    }
    Ok(code)
}

/// What stands in the files of sources.
struct Listed {
    /// The endpoints of each source, by its name.
    sources: Vec<(String, Vec<EndpointConfig>)>,
    /// What is wrong there. The daemon runs with it.
    problems: Vec<Problem>,
}

/// Reads the files of all sources. Servers are not asked.
fn listed(config: &Config) -> Listed {
    let mut listed = Listed { sources: Vec::new(), problems: Vec::new() };
    for source in &config.sources {
        let SourceKind::Files(files) = &source.kind else { continue };
        let look = FileSource::new(files.clone(), &TargetList::default()).look(Looking::Whole);
        let problem = |file, text| Problem { file, place: None, key: source.name.clone(), text, hint: None };
        listed.problems.extend(look.news.into_iter().filter_map(|news| match news {
            FileNews::Missing(files) => Some(problem(files, "no such file is there".to_owned())),
            FileNews::Unusable(..) | FileNews::Usable(_) => None,
        }));
        listed.problems.extend(look.failures.into_iter().map(|(file, why)| problem(file, why)));
        let Resolved { endpoints, problems } = config.resolve(&look.list);
        listed.problems.extend(problems);
        listed.sources.push((source.name.clone(), endpoints));
    }
    let sources: Vec<_> =
        listed.sources.iter().map(|(name, endpoints)| (name.as_str(), &endpoints[..])).collect();
    let shared = config.fleet(&sources).problems;
    listed.problems.extend(shared);
    listed
}

/// Says of one endpoint what each file has for it, and why; answers the exit code.
pub fn explain(
    paths: &[PathBuf],
    id: &str,
    environment: &Environment,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> io::Result<u8> {
    let mut code = 0;
    for path in paths {
        let config = match Config::load(path, environment) {
            Ok((config, _)) => config,
            Err(problems) => {
                writeln!(errors, "{problems}")?;
                code = EXIT_CONFIG;
                continue;
            }
        };
        let Listed { sources, .. } = listed(&config);
        let all = || config.endpoints.iter().chain(sources.iter().flat_map(|(_, endpoints)| endpoints));
        let ids = all().map(|endpoint| endpoint.endpoint.id.as_str());
        if let Some(endpoint) = all().find(|endpoint| endpoint.endpoint.id.as_str() == id) {
            out.write_all(config.explain(endpoint).as_bytes())?;
        } else {
            writeln!(errors, "{}: {}", path.display(), no_such_endpoint(id, ids))?;
            code = code.max(EXIT_FAILURE);
        }
    }
    Ok(code)
}

/// Prints the effective config of a file; answers the exit code.
pub fn config_show(
    path: &Path,
    environment: &Environment,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> io::Result<u8> {
    match Config::load(path, environment) {
        Ok((config, _)) => {
            out.write_all(config.show().as_bytes())?;
            Ok(0)
        }
        Err(problems) => {
            writeln!(errors, "{problems}")?;
            Ok(EXIT_CONFIG)
        }
    }
}

fn plural(noun: &str, count: usize) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}
