//! The folder of topics and metadata, made once.

use super::{Ports, broker::Broker, config};
use crate::{Result, error::Doing, files};
use std::fs;
use uuid::Uuid;

/// Formats the data folder where there is none yet. It is made beside its place
/// and moved there whole, so that a crash in between leaves nothing half made.
pub(super) fn format(broker: &Broker) -> Result<()> {
    let data = broker.dir().join(config::DATA);
    if data.join("meta.properties").is_file() {
        return Ok(());
    }
    let new = broker.dir().join("data.new");
    if new.exists() {
        fs::remove_dir_all(&new).doing(|| format!("removing {}", new.display()))?;
    }
    let settings = broker.dir().join("format.properties");
    // The ports of the real start do not matter to the format.
    files::write(&settings, config::server(&new, Ports { broker: 1, controller: 2 }).as_bytes())?;
    broker
        .run_class("kafka.tools.StorageTool")
        .arg("format")
        .arg("--cluster-id")
        .arg(cluster_id())
        .arg("--config")
        .arg(&settings)
        .run(None)?;
    fs::rename(&new, &data).doing(|| format!("moving {} to its place", new.display()))?;
    let _ = fs::remove_file(&settings);
    Ok(())
}

/// A cluster id has the form of 16 bytes in URL-safe base64: 22 characters, of which
/// the last has four bits only. Hexadecimal digits are base64 characters too, and
/// 84 random bits are plenty.
fn cluster_id() -> String {
    let digits = Uuid::new_v4().simple().to_string();
    format!("{}A", &digits[..21])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_has_the_length_that_kafka_expects() {
        assert_eq!(cluster_id().len(), 22);
        assert_ne!(cluster_id(), cluster_id());
    }
}
