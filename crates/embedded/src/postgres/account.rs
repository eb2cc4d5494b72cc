//! Who the server runs as. PostgreSQL refuses to run as root.

use crate::{EmbeddedError, Result, child::Account, error::Doing};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};

/// Users to run as instead of root, the first that exists.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// Capabilities that let a process enter folders that are not its own, the weaker
/// first, with their bits (capabilities(7)): the first reads and enters anything
/// and writes nothing. Containers often have only the second.
const CAPABILITIES: [(&str, u32); 2] = [("dac_read_search", 2), ("dac_override", 1)];

/// The account for a server that works under `dir`: none where this process
/// is not root, for then the server simply runs as this user.
pub(super) fn for_folder(dir: &Path) -> Result<Option<Account>> {
    // SAFETY: geteuid takes nothing, touches nothing and can't fail.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").doing(|| "reading /etc/passwd".into())?;
    let (uid, gid) =
        USERS.iter().find_map(|user| ids_of(user, &passwd)).ok_or_else(|| EmbeddedError::Folder {
            path: "/etc/passwd".into(),
            reason: "PostgreSQL can't run as root, and there is no user `postgres` or `nobody` to run it as"
                .into(),
        })?;
    // Our own folder keeps nothing secret that is not secret by itself.
    fs::set_permissions(dir, fs::Permissions::from_mode(0o711))
        .doing(|| format!("opening {} to the database's user", dir.display()))?;
    let capability = match dir.ancestors().all(|dir| may_enter(dir, uid, gid)) {
        true => None,
        false => Some(capability_to_enter(dir)?),
    };
    Ok(Some(Account { uid, gid, capability }))
}

/// Gives a file or folder to the account.
pub(super) fn give(path: &Path, account: Option<Account>) -> Result<()> {
    let Some(account) = account else { return Ok(()) };
    chown(path, Some(account.uid), Some(account.gid))
        .doing(|| format!("giving {} to the database's user", path.display()))
}

fn ids_of(user: &str, passwd: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(user))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn may_enter(dir: &Path, uid: u32, gid: u32) -> bool {
    fs::metadata(dir).is_ok_and(|metadata| {
        let execute = match (metadata.uid() == uid, metadata.gid() == gid) {
            (true, _) => 0o100,
            (_, true) => 0o010,
            _ => 0o001,
        };
        metadata.mode() & execute != 0
    })
}

fn capability_to_enter(dir: &Path) -> Result<&'static str> {
    let status = fs::read_to_string("/proc/self/status").doing(|| "reading /proc/self/status".into())?;
    let held = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("CapPrm:")?.trim(), 16).ok())
        .unwrap_or_default();
    CAPABILITIES.iter().find(|(_, bit)| held & (1 << bit) != 0).map(|(name, _)| *name).ok_or_else(|| {
        EmbeddedError::Folder {
            path: dir.to_owned(),
            reason: "the user that PostgreSQL runs as can't enter this folder; choose one that everybody may enter"
                .into(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_from_the_line_of_the_user() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\npostgres2:x:7:8::/:/x\npostgres:x:101:103:,,,:/var:/bin/sh\n";
        assert_eq!(ids_of("postgres", passwd), Some((101, 103)));
        assert_eq!(ids_of("nobody", passwd), None);
    }
}
