//! The database cluster, made once.

use super::{NAME, account, server::Server};
use crate::{Result, error::Doing, files};
use std::fs::{self, File};

/// Makes the cluster, the role and the database where there are none yet. They are
/// made beside their place and moved there whole, so that a crash in
/// between leaves nothing half made.
pub(super) fn create(server: &Server, password: &str) -> Result<()> {
    if server.data().join("PG_VERSION").is_file() {
        return Ok(());
    }
    let new = server.dir().join("data.new");
    if new.exists() {
        fs::remove_dir_all(&new).doing(|| format!("removing {}", new.display()))?;
    }
    files::create_dir(&new)?;
    account::give(&new, server.account())?;

    let secret = server.dir().join("password");
    files::write(&secret, password.as_bytes())?;
    account::give(&secret, server.account())?;
    let initdb = server
        .run_program("initdb")
        .arg("-D")
        .arg(&new)
        .arg("--username")
        .arg(NAME)
        .arg("--pwfile")
        .arg(&secret)
        .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"])
        .run(None);
    let _ = fs::remove_file(&secret);
    initdb?;

    let statements = server.dir().join("create.sql");
    files::write(&statements, format!("CREATE DATABASE {NAME};\n").as_bytes())?;
    let input = File::open(&statements).doing(|| format!("opening {}", statements.display()))?;
    // Single-user mode reads statements from its input; no port, no password.
    server.run_program("postgres").arg("--single").arg("-D").arg(&new).arg("postgres").run(Some(input))?;
    let _ = fs::remove_file(&statements);
    fs::rename(&new, server.data()).doing(|| format!("moving {} to its place", new.display()))
}
