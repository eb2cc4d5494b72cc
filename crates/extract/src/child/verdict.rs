//! What the end of a child without an answer means.

use crate::{error::ExtractError, limits::Limits};
use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

/// What Rust's allocator writes before it aborts.
const ALLOCATION_FAILED: &str = "memory allocation of";

/// Why a child ended that gave no whole answer.
pub fn of_exit(status: ExitStatus, stderr: &[u8], limits: &Limits) -> ExtractError {
    let Some(signal) = status.signal() else {
        let code = status.code().unwrap_or_default();
        return ExtractError::Crashed { reason: format!("exit code {code} without an answer") };
    };
    let said = |words: &str| stderr.windows(words.len()).any(|bytes| bytes == words.as_bytes());
    match signal {
        libc::SIGXCPU => ExtractError::TimedOut { seconds: limits.cpu.as_secs() },
        libc::SIGXFSZ => ExtractError::TooLarge {
            reason: format!("unpacked it is more than {} bytes", limits.written_bytes),
        },
        libc::SIGABRT if said(ALLOCATION_FAILED) => out_of_memory(limits),
        libc::SIGABRT | libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGTRAP => {
            ExtractError::Crashed { reason: format!("signal {signal}") }
        }
        signal => ExtractError::Killed { signal },
    }
}

/// The limit on memory was hit.
pub fn out_of_memory(limits: &Limits) -> ExtractError {
    ExtractError::OutOfMemory { mebibytes: limits.memory_bytes >> 20 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ragstream_core::fault::{Fault, FaultKind};

    #[test]
    fn every_end_has_its_class_and_kind() {
        let limits = Limits::default();
        let cases = [
            (libc::SIGXCPU, "", "extraction_timeout", FaultKind::Invalid),
            (libc::SIGXFSZ, "", "document_too_large", FaultKind::Invalid),
            (
                libc::SIGABRT,
                "memory allocation of 99 bytes failed",
                "extraction_out_of_memory",
                FaultKind::Invalid,
            ),
            (libc::SIGABRT, "thread has overflowed its stack", "extraction_crashed", FaultKind::Invalid),
            (libc::SIGSEGV, "", "extraction_crashed", FaultKind::Invalid),
            (libc::SIGKILL, "", "extractor_killed", FaultKind::Failed),
            (libc::SIGTERM, "", "extractor_killed", FaultKind::Failed),
        ];
        for (signal, stderr, class, kind) in cases {
            let fault = Fault::from(of_exit(ExitStatus::from_raw(signal), stderr.as_bytes(), &limits));
            assert_eq!((fault.class, fault.kind), (class, kind), "signal {signal}");
        }
        let exit = Fault::from(of_exit(ExitStatus::from_raw(1 << 8), b"", &limits));
        assert_eq!(exit.class, "extraction_crashed");
    }
}
