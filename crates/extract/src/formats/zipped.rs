//! Zip containers, read within limits: what office documents, e-books and
//! archives are made of.
//!
//! What holds, whatever an archive says about itself:
//! - a member gives at most [`MEMBER_BYTES`], and all that is read from one
//!   upload at most [`UNPACKED_BYTES`]: a [`Budget`] is shared by a container
//!   and those inside of it, and what is read twice counts twice;
//! - a member that unpacks to more than [`MAX_RATIO`] times its packed size is
//!   refused once that is more than [`RATIO_FREE_BYTES`]: a bomb costs
//!   some hundredths of a second;
//! - an archive has at most [`MAX_MEMBERS`];
//! - the sizes in the directory are believed by nobody: what is counted is what comes out;
//! - nothing is written to disk, and names of members are never paths of files.
//!
//! Members are streams ([`Zipped::member`]): an XML part of any size is read in
//! flat memory. [`Zipped::bytes`] is for small ones.

use crate::{error::ExtractError, format::Format};
use std::{
    cell::Cell,
    collections::HashMap,
    fmt,
    io::{self, BufReader, Cursor, Read},
    rc::Rc,
};
use zip::{ZipArchive, result::ZipError};

/// Most bytes of one member: a text at its own limit (64 MiB) is some ten
/// times that in the XML of an office document.
pub const MEMBER_BYTES: u64 = 1 << 30;

/// Most bytes that all members of an upload may unpack to. Unpacking and
/// parsing so much takes less than the processor time of a child.
pub const UNPACKED_BYTES: u64 = 2 << 30;

/// Highest ratio of unpacked to packed. Deflate can't pass 1032; sheets with
/// a million equal rows reach a hundred and more.
pub const MAX_RATIO: u64 = 400;

/// So much of a member may come out before its ratio is looked at: it does no harm.
pub const RATIO_FREE_BYTES: u64 = 32 << 20;

/// Most members of an archive.
pub const MAX_MEMBERS: usize = 100_000;

/// What may still be unpacked for one upload. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Rc<Cell<u64>>);

impl Budget {
    /// Of so many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(Rc::new(Cell::new(bytes)))
    }

    /// Takes so many bytes; `false` where there are fewer.
    pub fn take(&self, bytes: u64) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(UNPACKED_BYTES)
    }
}

/// What the directory says about a member.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place in the directory.
    pub index: usize,
    /// Its name as stored: in UTF-8, or in the encoding of whoever packed it.
    pub name_raw: Vec<u8>,
    /// It is a folder.
    pub folder: bool,
    /// A password is needed.
    pub encrypted: bool,
}

/// An open container. A clone reads another member while one is being read.
#[derive(Clone)]
pub struct Zipped<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Names in lower case with `/`, for writers that take neither seriously.
    names: Rc<HashMap<String, usize>>,
    budget: Budget,
    format: Format,
}

impl<'a> Zipped<'a> {
    /// `Corrupt` where there is no directory, `TooLarge` where it is too long.
    pub fn open(bytes: &'a [u8], format: Format, budget: &Budget) -> Result<Self, ExtractError> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| failed(format, &e))?;
        if archive.len() > MAX_MEMBERS {
            let reason = format!("it has more than {MAX_MEMBERS} members");
            return Err(ExtractError::TooLarge { reason });
        }
        let names = (0..archive.len()).rev().filter_map(|index| {
            let name = archive.name_for_index(index)?.ok()?;
            Some((folded(&name), index))
        });
        let names = Rc::new(names.collect());
        Ok(Self { archive, names, budget: budget.clone(), format })
    }

    /// All members, in the order of the directory.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |index| {
            let data = self.archive.by_index_data(index).ok()?;
            Some(Entry {
                index,
                name_raw: data.name_raw().to_vec(),
                folder: data.is_dir(),
                encrypted: data.encrypted(),
            })
        };
        (0..self.archive.len()).filter_map(entry).collect()
    }

    /// Names as stored, in the order of the directory.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.archive.file_names().filter_map(|name| Some(name.ok()?.into_owned()))
    }

    /// Whether there is a member of this name, in upper or lower case.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains_key(&folded(name))
    }

    /// A member by its name, in upper or lower case; `None` where there is none.
    pub fn member(&mut self, name: &str) -> Result<Option<Member<'_>>, ExtractError> {
        match self.names.get(&folded(name)) {
            Some(&index) => self.by_index(index).map(Some),
            None => Ok(None),
        }
    }

    /// A member by its place in the directory.
    pub fn by_index(&mut self, index: usize) -> Result<Member<'_>, ExtractError> {
        let format = self.format;
        let inner = self.archive.by_index(index).map_err(|e| failed(format, &e))?;
        let packed = inner.compressed_size();
        let inner = Bounded { inner: Box::new(inner), packed, given: 0, budget: self.budget.clone() };
        Ok(Member { inner: BufReader::with_capacity(READ_BYTES, inner), format })
    }

    /// The bytes of a small member; `TooLarge` where they are more than `most`.
    pub fn bytes(&mut self, name: &str, most: u64) -> Result<Option<Vec<u8>>, ExtractError> {
        self.member(name)?.map(|member| member.bytes(most)).transpose()
    }
}

const READ_BYTES: usize = 64 << 10;

fn folded(name: &str) -> String {
    let name = name.replace('\\', "/");
    name.trim_start_matches('/').to_ascii_lowercase()
}

fn failed(format: Format, error: &ZipError) -> ExtractError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            ExtractError::Encrypted
        }
        ZipError::Io(error) => refused(format, error),
        other => ExtractError::corrupt(format, other.to_string()),
    }
}

/// What an error while reading a [`Member`] means, wherever it was wrapped:
/// `TooLarge` where a limit was hit, else `Corrupt`.
pub fn refused(format: Format, error: &io::Error) -> ExtractError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<OverLimit>()) {
        Some(OverLimit(reason)) => ExtractError::TooLarge { reason: reason.clone() },
        None => ExtractError::corrupt(format, error.to_string()),
    }
}

/// A limit was hit.
#[derive(Debug)]
struct OverLimit(String);

impl fmt::Display for OverLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OverLimit {}

/// A member as a stream, within the limits. Errors of reading are turned into
/// words by [`refused`].
pub struct Member<'z> {
    inner: BufReader<Bounded<'z>>,
    format: Format,
}

impl Member<'_> {
    /// All of it; `TooLarge` where that is more than `most` bytes.
    pub fn bytes(mut self, most: u64) -> Result<Vec<u8>, ExtractError> {
        let mut bytes = Vec::new();
        let read = (&mut self.inner).take(most.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|e| refused(self.format, &e))?;
        if bytes.len() as u64 > most {
            return Err(over_size(most));
        }
        Ok(bytes)
    }
}

fn over_size(most: u64) -> ExtractError {
    ExtractError::TooLarge { reason: format!("a part of it unpacks to more than {most} bytes") }
}

impl Member<'_> {
    /// Reads it to its end and keeps nothing; `TooLarge` as [`Member::bytes`].
    pub fn measure(self, most: u64) -> Result<(), ExtractError> {
        let format = self.format;
        let mut inner = self.inner.take(most.saturating_add(1));
        match io::copy(&mut inner, &mut io::sink()).map_err(|e| refused(format, &e))? > most {
            true => Err(over_size(most)),
            false => Ok(()),
        }
    }
}

impl Read for Member<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl io::BufRead for Member<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

/// Counts what comes out.
struct Bounded<'z> {
    inner: Box<dyn Read + 'z>,
    packed: u64,
    given: u64,
    budget: Budget,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.given += read as u64;
        let over = |reason: String| Err(io::Error::other(OverLimit(reason)));
        if self.given > MEMBER_BYTES {
            return over(format!("a part of it unpacks to more than {MEMBER_BYTES} bytes"));
        }
        if self.given > RATIO_FREE_BYTES && self.given / MAX_RATIO > self.packed {
            return over(format!("a part of it unpacks to more than {MAX_RATIO} times its size"));
        }
        if !self.budget.take(read as u64) {
            return over("unpacked it is more than may be read of one file".to_owned());
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;
    use zip::{ZipWriter, write::SimpleFileOptions};

    fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn members_are_found_whatever_their_case() {
        let bytes = zip(&[("Word\\Document.xml", b"<a/>"), ("b/", b""), ("c.txt", b"hello")]);
        let mut zipped = Zipped::open(&bytes, Format::Text, &Budget::default()).unwrap();
        assert_eq!(zipped.bytes("word/document.xml", 10).unwrap().unwrap(), b"<a/>");
        assert_eq!(zipped.bytes("/C.TXT", 5).unwrap().unwrap(), b"hello");
        assert_eq!(zipped.bytes("c.txt", 4).unwrap_err().class(), "document_too_large");
        assert_eq!(zipped.bytes("none", 4), Ok(None));
        assert_eq!(zipped.entries().len(), 3);
    }

    #[test]
    fn bombs_are_refused_before_they_go_off() {
        let bytes = zip(&[("zeros", &vec![0; (RATIO_FREE_BYTES + (1 << 20)) as usize])]);
        assert!(bytes.len() < 100_000);
        let mut zipped = Zipped::open(&bytes, Format::Text, &Budget::default()).unwrap();
        let error = zipped.bytes("zeros", u64::MAX).unwrap_err();
        assert!(error.to_string().contains("400 times"), "{error}");
    }

    #[test]
    fn all_reads_of_an_upload_share_a_budget() {
        let bytes = zip(&[("a", &[b'x'; 600])]);
        let budget = Budget::new(1000);
        let read = || Zipped::open(&bytes, Format::Text, &budget)?.bytes("a", 1000);
        assert_eq!(read().unwrap().unwrap().len(), 600);
        let error = read().unwrap_err();
        assert_eq!(error.class(), "document_too_large", "{error}");
        assert!(!budget.take(1));
    }

    #[test]
    fn what_is_no_archive_is_damaged() {
        for bytes in [&b"PK\x03\x04 and nothing more"[..], b"", b"PK\x05\x06"] {
            let error = Zipped::open(bytes, Format::Text, &Budget::default()).err().unwrap();
            assert_eq!(error.class(), "corrupt_document");
        }
    }
}
