//! ONNX Runtime, loaded once a process.

use crate::error::EmbedderError;
use ort::environment::Environment;
use std::{
    panic::catch_unwind,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The library that is loaded, and its one environment, which lives as long as
/// the process: a second one can't be made.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// The environment of the library at `path`, loading it at the first call.
///
/// `Runtime` where it can't be loaded (a later call may try another path),
/// `OtherRuntime` where a different one is loaded already.
pub fn environment(path: &Path) -> Result<Environment, EmbedderError> {
    let failed = |reason: String| EmbedderError::Runtime { path: path.to_owned(), reason };
    // Canonical, since ort takes a relative path from the folder of the executable.
    let library = path.canonicalize().map_err(|e| failed(e.to_string()))?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((path, environment)) = loaded.as_ref() {
        return match *path == library {
            true => Ok(environment.clone()),
            false => Err(EmbedderError::OtherRuntime { path: path.clone() }),
        };
    }
    let environment = load(&library).map_err(failed)?;
    tracing::info!(library = %library.display(), build = ort::info(), "onnx runtime loaded");
    *loaded = Some((library, environment.clone()));
    Ok(environment)
}

/// ort checks the file, its symbols and its version, and asserts a few things more.
fn load(library: &Path) -> Result<Environment, String> {
    let load = || -> Result<Environment, String> {
        let builder = ort::init_from(library).map_err(|e| e.to_string())?;
        builder.with_name("ragstream").with_telemetry(false).build().map_err(|e| e.to_string())
    };
    catch_unwind(load).unwrap_or_else(|_| Err("the library does not behave like ONNX Runtime".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_no_runtime_is_an_error_that_names_it() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"not a library").unwrap();
        for path in [Path::new("/nonexistent/libonnxruntime.so"), file.path(), Path::new("/")] {
            let error = environment(path).map(|_| ()).unwrap_err();
            assert!(matches!(error, EmbedderError::Runtime { .. }), "{error}");
            assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
        }
    }
}
