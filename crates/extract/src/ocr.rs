//! Text in pictures, by Tesseract, where it is installed.
//!
//! Tesseract runs as a child of this process, is told the picture on its
//! standard input and writes no file. It has the limits of this process, and
//! is killed when its time is over or this process dies.

use std::{
    env,
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

/// Names the languages that pictures are in, as Tesseract does: `eng+deu`.
pub const LANGUAGES: &str = "RAGSTREAM_OCR_LANGUAGES";

/// Names the folder of Tesseract's data, where it is not that of the system.
pub const DATA: &str = "TESSDATA_PREFIX";

/// Where no languages are named all that are installed are tried, if they are
/// so few: each takes its time.
const LANGUAGES_TRIED: usize = 3;

/// Longest answer that is read, in bytes: a full page has some 100 KiB of it.
const ANSWER_BYTES: u64 = 16 << 20;

/// Words below this confidence, in percent, are specks and edges.
const WORD_CONFIDENCE: f32 = 30.0;

/// So is a line below this one on average.
const LINE_CONFIDENCE: f32 = 50.0;

/// Time to wait before looking again whether Tesseract has ended.
const POLL: Duration = Duration::from_millis(5);

/// What came of a picture.
#[derive(Debug, PartialEq)]
pub enum Reading {
    /// Its text, and how sure that is, in percent.
    Text { text: String, confidence: u32 },
    /// There is none in it.
    Nothing,
    /// Tesseract is not installed, can't read such pictures, or had too little time.
    Unread,
}

/// Reads a picture of any kind that Tesseract knows (PNG, JPEG, TIFF, BMP, WebP, PNM), within `time`.
/// `dpi` is its resolution, where that is known.
pub fn read(picture: &[u8], dpi: Option<u32>, time: Duration) -> Reading {
    let Some(tesseract) = tesseract() else { return Reading::Unread };
    if time.is_zero() {
        return Reading::Unread;
    }
    let mut command = Command::new(&tesseract.program);
    command.args(["stdin", "stdout", "-l", &tesseract.languages]);
    if let Some(dpi) = dpi {
        command.args(["--dpi", &dpi.to_string()]);
    }
    command.arg("tsv");
    match run(command, picture, time) {
        Ok(Some(answer)) => words(&String::from_utf8_lossy(&answer)),
        _ => Reading::Unread,
    }
}

/// Whether pictures can be read at all.
pub fn is_installed() -> bool {
    tesseract().is_some()
}

struct Tesseract {
    program: PathBuf,
    languages: String,
}

/// Looked for once.
fn tesseract() -> Option<&'static Tesseract> {
    static FOUND: OnceLock<Option<Tesseract>> = OnceLock::new();
    let find = || {
        let program = program()?;
        let languages = match env::var(LANGUAGES).ok().filter(|languages| !languages.trim().is_empty()) {
            Some(languages) => languages,
            None => installed_languages(&program)?,
        };
        Some(Tesseract { program, languages })
    };
    FOUND.get_or_init(find).as_ref()
}

/// The first program of that name on the path.
pub fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("tesseract")).find(|program| program.is_file())
}

fn installed_languages(program: &PathBuf) -> Option<String> {
    let mut command = Command::new(program);
    command.arg("--list-langs");
    let answer = run(command, b"", Duration::from_secs(10)).ok()??;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    // The first line says what follows; `osd` and `equ` are no languages.
    let mut languages: Vec<&str> = answer.lines().skip(1).map(str::trim).collect();
    languages
        .retain(|name| !name.is_empty() && !["osd", "equ", "snum"].contains(name) && !name.contains('/'));
    languages.sort_by_key(|name| *name != "eng");
    match languages.as_slice() {
        [] => None,
        few if few.len() <= LANGUAGES_TRIED => Some(few.join("+")),
        [first, ..] => Some((*first).to_owned()),
    }
}

/// Standard output of a program that succeeds in time; `None` of one that doesn't.
fn run(mut command: Command, input: &[u8], time: Duration) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + time;
    command.env("OMP_THREAD_LIMIT", "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // SAFETY: a plain system call without memory of this process.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    let mut child = Running(command.spawn()?);
    let (Some(mut stdin), Some(stdout)) = (child.0.stdin.take(), child.0.stdout.take()) else {
        return Err(io::Error::other("the child has no pipes"));
    };
    thread::scope(|threads| {
        // One that ends early does not want the rest.
        threads.spawn(move || drop(stdin.write_all(input)));
        let answer = threads.spawn(move || {
            let mut answer = Vec::new();
            let read = stdout.take(ANSWER_BYTES).read_to_end(&mut answer);
            read.map(|_| answer)
        });
        let success = loop {
            if let Some(status) = child.0.try_wait()? {
                break status.success();
            }
            if Instant::now() >= deadline || answer.is_finished() && answer_is_over(&mut child.0, deadline)? {
                child.0.kill()?;
                child.0.wait()?;
                break false;
            }
            thread::sleep(POLL);
        };
        let answer = answer.join().map_err(|_| io::Error::other("the reader panicked"))??;
        Ok(success.then_some(answer))
    })
}

/// One that has closed its output, or said more than is read of it, and goes on.
fn answer_is_over(child: &mut Child, deadline: Instant) -> io::Result<bool> {
    let grace = Instant::now() + Duration::from_secs(1);
    while Instant::now() < grace.min(deadline) {
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
        thread::sleep(POLL);
    }
    Ok(true)
}

/// Killed on drop, so that no error leaves it behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill(); // it has ended meanwhile
            let _ = self.0.wait();
        }
    }
}

/// A row of Tesseract's table that is a word.
struct Word<'a> {
    /// Block, paragraph and line that it is in.
    place: [u32; 3],
    confidence: f32,
    text: &'a str,
}

impl<'a> Word<'a> {
    /// Columns: level, page, block, paragraph, line, word, left, top, width, height, confidence, text.
    fn parse(row: &'a str) -> Option<Self> {
        let columns: Vec<&str> = row.split('\t').collect();
        let number = |at: usize| columns.get(at)?.parse().ok();
        let text = columns.get(11)?.trim();
        let confidence = columns.get(10)?.parse().ok()?;
        let word = Self { place: [number(2)?, number(3)?, number(4)?], confidence, text };
        (columns[0] == "5" && !text.is_empty()).then_some(word)
    }
}

/// Lines and paragraphs of the words that are words.
fn words(table: &str) -> Reading {
    let words: Vec<Word<'_>> =
        table.lines().filter_map(Word::parse).filter(|word| word.confidence >= WORD_CONFIDENCE).collect();
    let (mut text, mut sum, mut count) = (String::new(), 0.0, 0u32);
    let mut paragraph = None;
    for line in words.chunk_by(|a, b| a.place == b.place) {
        let confidence = line.iter().map(|word| word.confidence).sum::<f32>();
        let spoken: Vec<&str> = line.iter().map(|word| word.text).collect();
        let spoken = spoken.join(" ");
        if confidence / (line.len() as f32) < LINE_CONFIDENCE || !spoken.contains(char::is_alphanumeric) {
            continue;
        }
        let place = line.first().map(|word| [word.place[0], word.place[1]]);
        if !text.is_empty() {
            text.push_str(if place == paragraph { "\n" } else { "\n\n" });
        }
        text.push_str(&spoken);
        paragraph = place;
        sum += confidence;
        count += line.len() as u32;
    }
    match count {
        0 => Reading::Nothing,
        count => Reading::Text { text, confidence: (sum / count as f32).round() as u32 },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_that_are_sure_become_lines_and_paragraphs() {
        let table = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
            1\t1\t0\t0\t0\t0\t0\t0\t10\t10\t-1\t\n\
            5\t1\t1\t1\t1\t1\t0\t0\t1\t1\t96.1\tHappy\n5\t1\t1\t1\t1\t2\t0\t0\t1\t1\t93.9\tNew\n\
            5\t1\t1\t1\t2\t1\t0\t0\t1\t1\t95\tYear\n5\t1\t1\t1\t2\t2\t0\t0\t1\t1\t12\t~i\n\
            5\t1\t2\t1\t1\t1\t0\t0\t1\t1\t31\tmud\n5\t1\t3\t1\t1\t1\t0\t0\t1\t1\t99\t---\n\
            5\t1\t4\t1\t1\t1\t0\t0\t1\t1\t95\t2003!\n";
        let Reading::Text { text, confidence } = words(table) else { panic!("nothing") };
        assert_eq!((text.as_str(), confidence), ("Happy New\nYear\n\n2003!", 95));
        assert_eq!(words("level\n"), Reading::Nothing);
        assert_eq!(words("5\t1\t1"), Reading::Nothing);
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn programs_have_their_time_and_no_more() {
        let time = Duration::from_secs(30);
        let large = vec![b'x'; 1 << 20];
        assert_eq!(run(shell("cat"), &large, time).unwrap().unwrap().len(), large.len());
        assert_eq!(run(shell("echo no; exit 3"), b"", time).unwrap(), None);
        assert_eq!(run(shell("exec 0<&-; echo early"), &large, time).unwrap().unwrap(), b"early\n");
        assert_eq!(run(shell("exec sleep 1000"), b"", Duration::from_millis(50)).unwrap(), None);
        assert_eq!(run(shell("exec cat /dev/zero"), b"", time).unwrap(), None);
        assert!(run(Command::new("/nonexistent"), b"", time).is_err());
    }
}
