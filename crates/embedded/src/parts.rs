//! Where `make parts` put things, and where the distribution's programs are.

use crate::{EmbeddedError, Result};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The variable that names the folder of parts where it is not the usual one.
const VARIABLE: &str = "RAGSTREAM_PARTS";

/// The usual folder, in the repository or beside the binary's working folder.
const USUAL: &str = ".ragstream/parts";

/// The folder that `make parts` fills.
#[derive(Clone, Debug)]
pub struct Parts {
    dir: PathBuf,
}

impl Parts {
    /// The parts in this folder.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// `RAGSTREAM_PARTS`, or `.ragstream/parts` in the working folder or the
    /// nearest folder above it that has one.
    ///
    /// # Errors
    /// [`EmbeddedError::Missing`] where there is none.
    pub fn locate() -> Result<Self> {
        if let Some(dir) = env::var_os(VARIABLE) {
            return Ok(Self::at(dir));
        }
        let here = env::current_dir().unwrap_or_default();
        here.ancestors().map(|dir| dir.join(USUAL)).find(|dir| dir.is_dir()).map(Self::at).ok_or_else(|| {
            EmbeddedError::Missing {
                what: "the folder of parts",
                looked: format!("no {USUAL} in {} or above it, and {VARIABLE} is not set", here.display()),
            }
        })
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of the embedding model: `model.safetensors`, `tokenizer.json`, ...
    pub fn model(&self) -> Result<PathBuf> {
        self.existing("model", "model.safetensors", "the embedding model")
    }

    /// The shared library of ONNX Runtime.
    pub fn onnxruntime(&self) -> Result<PathBuf> {
        let name = "libonnxruntime.so";
        self.existing("onnxruntime", name, "ONNX Runtime").map(|dir| dir.join(name))
    }

    /// Kafka's jars, in the order that the class data archive was made with.
    pub(crate) fn kafka_jars(&self) -> Result<Vec<PathBuf>> {
        let dir = self.existing("kafka", ".pins", "Apache Kafka")?;
        let mut jars: Vec<_> = dir
            .read_dir()
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        jars.retain(|path: &PathBuf| path.extension().is_some_and(|end| end == "jar"));
        jars.sort();
        Ok(jars)
    }

    /// The class data archive that makes Kafka's JVM start faster, where there is one.
    pub(crate) fn kafka_archive(&self) -> Option<PathBuf> {
        Some(self.absolute().join("kafka-archive/kafka.jsa")).filter(|path| path.is_file())
    }

    fn absolute(&self) -> PathBuf {
        self.dir.canonicalize().unwrap_or_else(|_| self.dir.clone())
    }

    fn existing(&self, folder: &str, file: &str, what: &'static str) -> Result<PathBuf> {
        let dir = self.absolute().join(folder);
        if dir.join(file).is_file() {
            return Ok(dir);
        }
        Err(EmbeddedError::Missing { what, looked: format!("no {}", dir.join(file).display()) })
    }
}

/// The Java launcher: `JAVA_HOME`'s, else the one of the search path.
pub(crate) fn java() -> Result<PathBuf> {
    let home = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    home.filter(|path| path.is_file()).or_else(|| on_path("java")).ok_or_else(|| EmbeddedError::Missing {
        what: "Java",
        looked: "no `java` in JAVA_HOME or on the search path".into(),
    })
}

/// The folder of PostgreSQL's server programs: the distribution's of the major version
/// `wanted` (a data folder belongs to one), else its newest, else `pg_config`'s, else
/// the search path's.
pub(crate) fn postgres_bin(wanted: Option<u32>) -> Result<PathBuf> {
    let complete = |bin: &PathBuf| bin.join("initdb").is_file() && bin.join("postgres").is_file();
    let mut packaged: Vec<(u32, PathBuf)> = Path::new("/usr/lib/postgresql")
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| complete(bin))
        .collect();
    packaged.sort_by_key(|(version, _)| (Some(*version) == wanted, *version));
    if let Some((_, best)) = packaged.pop() {
        return Ok(best);
    }
    let configured = Command::new("pg_config").arg("--bindir").output().ok().and_then(|output| {
        let bin = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        complete(&bin).then_some(bin)
    });
    let found = || Some(on_path("initdb")?.canonicalize().ok()?.parent()?.to_owned()).filter(complete);
    configured.or_else(found).ok_or_else(|| EmbeddedError::Missing {
        what: "PostgreSQL's server",
        looked: "no `initdb` and `postgres` in /usr/lib/postgresql/*/bin, in `pg_config --bindir` or on the \
                 search path"
            .into(),
    })
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
