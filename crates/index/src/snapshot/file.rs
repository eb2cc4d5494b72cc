//! Files that know their length and CRC-32.

use super::manifest::FileSum;
use crate::error::IndexError;
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

/// Read and written at a time.
const BUFFER: usize = 1 << 20;

/// A file being written.
pub(super) struct SumWriter {
    path: PathBuf,
    file: BufWriter<File>,
    hasher: crc32fast::Hasher,
    bytes: u64,
}

impl SumWriter {
    pub(super) fn create(path: PathBuf) -> Result<Self, IndexError> {
        let file = File::create_new(&path).map_err(IndexError::io(&path))?;
        let file = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { path, file, hasher: crc32fast::Hasher::new(), bytes: 0 })
    }

    /// Appends a value as a line of JSON.
    pub(super) fn line(&mut self, value: &impl serde::Serialize) -> Result<(), IndexError> {
        let path = self.path.clone();
        serde_json::to_writer(&mut *self, value).map_err(|e| IndexError::io(&path)(e.into()))?;
        self.append(b"\n")
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        let path = self.path.clone();
        self.write_all(bytes).map_err(IndexError::io(&path))
    }

    /// Makes it durable.
    pub(super) fn finish(mut self) -> Result<FileSum, IndexError> {
        self.file.flush().map_err(IndexError::io(&self.path))?;
        self.file.get_ref().sync_all().map_err(IndexError::io(&self.path))?;
        Ok(FileSum { bytes: self.bytes, crc32: self.hasher.finalize() })
    }
}

impl Write for SumWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens a file after reading all of it once and finding length and checksum
/// as they were written.
pub(super) fn open_checked(path: &Path, sum: FileSum) -> Result<BufReader<File>, IndexError> {
    let open = || match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(IndexError::damaged(path, "it is missing"))
        }
        opened => opened.map_err(IndexError::io(path)),
    };
    let mut file = open()?;
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; BUFFER];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer).map_err(IndexError::io(path))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
    if bytes != sum.bytes {
        return Err(IndexError::damaged(path, format!("it has {bytes} bytes, not {}", sum.bytes)));
    }
    if hasher.finalize() != sum.crc32 {
        return Err(IndexError::damaged(path, "its checksum does not match"));
    }
    Ok(BufReader::with_capacity(BUFFER, open()?))
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(path: &Path) -> Result<(), IndexError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(IndexError::io(path))
}
