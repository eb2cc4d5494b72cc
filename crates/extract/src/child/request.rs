//! What a reader is asked, and what the parent hears before its answer: one message each way.

use crate::{error::ExtractError, format::Format, limits::Limits};
use std::{
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Longest request: a path of the longest kind, the end of a name, the limits.
pub const REQUEST_BYTES: usize = 8 << 10;

/// So much of the end of an upload's name is told to the reader.
const FILENAME_BYTES: usize = 1024;

/// What is to be read, and how.
pub struct Task {
    pub format: Format,
    pub limits: Limits,
    pub filename: String,
    pub path: PathBuf,
}

impl Task {
    /// A request for it. The name has no NUL, nor has any path.
    pub fn request(format: Format, limits: &Limits, filename: &str, path: &Path) -> io::Result<Vec<u8>> {
        let limits = serde_json::to_vec(limits)?;
        let parts = [format.as_str().as_bytes(), &limits, &argument(filename), path.as_os_str().as_bytes()];
        let request = parts.join(&0);
        match request.len() <= REQUEST_BYTES {
            true => Ok(request),
            false => Err(io::ErrorKind::InvalidFilename.into()),
        }
    }

    /// The task that was asked for.
    pub fn parse(request: &[u8]) -> Result<Self, ExtractError> {
        let usage = || ExtractError::Crashed { reason: "it was asked in the wrong way".to_owned() };
        let mut parts = request.splitn(4, |&byte| byte == 0);
        let mut next = || parts.next().ok_or_else(usage);
        let (format, limits, filename, path) = (next()?, next()?, next()?, next()?);
        Ok(Self {
            format: std::str::from_utf8(format).ok().and_then(|s| s.parse().ok()).ok_or_else(usage)?,
            limits: serde_json::from_slice(limits).map_err(|_| usage())?,
            filename: String::from_utf8_lossy(filename).into_owned(),
            path: OsStr::from_bytes(path).into(),
        })
    }
}

/// The end of a name, which tells the format.
fn argument(filename: &str) -> Vec<u8> {
    let from = filename.ceil_char_boundary(filename.len().saturating_sub(FILENAME_BYTES));
    filename[from..].bytes().filter(|&byte| byte != 0).collect()
}

/// Says that there is a reader, by its process id, or why there is none.
pub fn reply(outcome: &io::Result<i32>) -> [u8; 4] {
    let unknown = rustix::io::Errno::IO.raw_os_error();
    match outcome {
        Ok(id) => *id,
        Err(error) => -error.raw_os_error().unwrap_or(unknown),
    }
    .to_ne_bytes()
}

/// The reader's process id that such a message says.
pub fn parse_reply(reply: [u8; 4]) -> io::Result<i32> {
    match i32::from_ne_bytes(reply) {
        id if id > 0 => Ok(id),
        code => Err(io::Error::from_raw_os_error(-code)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_request_says_what_was_asked() {
        let path = Path::new(OsStr::from_bytes(b"/a/\xff b"));
        let name = format!("{}é\0.pdf", "é".repeat(2000));
        let request = Task::request(Format::Pdf, &Limits::default(), &name, path).unwrap();
        let task = Task::parse(&request).unwrap();
        assert_eq!((task.format, task.limits, task.path.as_path()), (Format::Pdf, Limits::default(), path));
        assert!(task.filename.ends_with("éé.pdf") && task.filename.len() <= FILENAME_BYTES);
        assert!(Task::parse(&request[..9]).is_err() && Task::parse(b"").is_err());
        let long = Path::new(OsStr::from_bytes(&[b'x'; REQUEST_BYTES]));
        assert!(Task::request(Format::Pdf, &Limits::default(), "", long).is_err());
    }

    #[test]
    fn a_reply_is_a_process_or_an_error() {
        assert_eq!(parse_reply(reply(&Ok(7))).unwrap(), 7);
        let error = parse_reply(reply(&Err(io::Error::from_raw_os_error(libc::EAGAIN)))).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
        assert!(parse_reply(reply(&Err(io::Error::other("x")))).is_err());
    }
}
