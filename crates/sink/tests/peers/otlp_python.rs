//! The Python of the independent OTLP receiver: a virtual environment with `opentelemetry-proto`, made at the first run and
//! kept in the target directory.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

/// The release that the receiver was written for.
const PACKAGE: &str = "opentelemetry-proto==1.45.2";

/// A Python that has the package, or why there is none.
pub(crate) fn python() -> Result<PathBuf, String> {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (home, python) = (directory.join("otlp-venv"), directory.join("otlp-venv/bin/python"));
    // Tests run side by side, also in processes of their own.
    let lock = File::create(directory.join("otlp-venv.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let run = |program: &Path, arguments: &[&str]| {
        let done = std::process::Command::new(program).args(arguments).output();
        let done = done.map_err(|error| format!("{} {arguments:?}: {error}", program.display()))?;
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        if done.status.success() { Ok(()) } else { Err(format!("{arguments:?}: {told}")) }
    };
    let check = ["-c", "import opentelemetry.proto.collector.logs.v1.logs_service_pb2"];
    if run(&python, &check).is_ok() {
        return Ok(python);
    }
    run("python3".as_ref(), &["-m", "venv", "--clear", home.to_str().ok_or("a path in UTF-8")?])?;
    run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE])?;
    run(&python, &check)?;
    Ok(python)
}
