//! `check-config` and `config show`. Nothing is contacted, nothing is changed.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::EXIT_FAILURE;
use crate::config::{Config, EXIT_CONFIG, Environment, no_such_endpoint};

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
                for warning in warnings {
                    writeln!(errors, "warning: {warning}")?;
                }
                let (endpoints, sinks) = (config.endpoints.len(), config.sinks.len());
                writeln!(
                    out,
                    "{}: ok ({endpoints} {}, {sinks} {})",
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
        let ids = config.endpoints.iter().map(|endpoint| endpoint.endpoint.id.as_str());
        if let Some(endpoint) = config.endpoints.iter().find(|endpoint| endpoint.endpoint.id.as_str() == id) {
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
