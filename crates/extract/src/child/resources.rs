//! The kernel's limits on a reader.

use crate::limits::Limits;
use std::{io, time::Duration};

/// After the soft limit on processor time the kernel gives so much before it kills.
const CPU_GRACE: Duration = Duration::from_secs(5);

/// Sets the limits on this process. They hold for what it starts, too.
pub fn restrict(limits: &Limits) -> io::Result<()> {
    let cpu = limits.cpu.as_secs().max(1);
    let resources = [
        (libc::RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
        (libc::RLIMIT_CPU, cpu, cpu + CPU_GRACE.as_secs()),
        (libc::RLIMIT_NOFILE, limits.open_files, limits.open_files),
        (libc::RLIMIT_FSIZE, limits.written_bytes, limits.written_bytes),
        (libc::RLIMIT_CORE, 0, 0),
    ];
    // A limit can't be raised above the one that this process has.
    let resources = resources.map(|(resource, soft, hard)| {
        let mut own = libc::rlimit { rlim_cur: 0, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: `own` outlives the call; where it fails `own` stays without limit.
        unsafe { libc::getrlimit(resource, &mut own) };
        (resource, libc::rlimit { rlim_cur: soft.min(own.rlim_max), rlim_max: hard.min(own.rlim_max) })
    });
    for (resource, limit) in &resources {
        // SAFETY: `limit` outlives the call.
        let code = unsafe { libc::setrlimit(*resource, limit) };
        if code != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
