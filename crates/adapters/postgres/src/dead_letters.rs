//! Which dead letters were sent back, by which request.

use crate::{error::fault, pool::Ledger};
use async_trait::async_trait;
use ragstream_core::{
    fault::Result,
    id::RedriveId,
    ports::{Place, Redrive, RedriveLedger, Redriven, RedrivenLetter},
};
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::{Row, types::Json};

/// Places as columns, which is how PostgreSQL takes many of them.
struct Columns<'a> {
    topics: Vec<&'a str>,
    partitions: Vec<i32>,
    offsets: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn of(places: impl Iterator<Item = &'a Place>) -> Self {
        let mut columns = Self { topics: Vec::new(), partitions: Vec::new(), offsets: Vec::new() };
        for place in places {
            columns.topics.push(&place.topic);
            columns.partitions.push(place.partition);
            columns.offsets.push(place.offset);
        }
        columns
    }
}

#[async_trait]
impl RedriveLedger for Ledger {
    async fn redriven(&self, originals: &[Place]) -> Result<HashMap<Place, Redriven>> {
        if originals.is_empty() {
            return Ok(HashMap::new());
        }
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT original_topic, original_partition, original_offset, count(*) AS times, max(at) AS at
                   FROM redriven_letters
                  WHERE (original_topic, original_partition, original_offset) IN
                        (SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[]))
                  GROUP BY original_topic, original_partition, original_offset",
            )
            .await
            .map_err(fault)?;
        let Columns { topics, partitions, offsets } = Columns::of(originals.iter());
        let rows = client.query(&statement, &[&topics, &partitions, &offsets]).await.map_err(fault)?;
        let redriven = |row: &Row| Redriven { times: row.get::<_, i64>("times") as u32, at: row.get("at") };
        Ok(rows.iter().map(|row| (place(row, "original"), redriven(row))).collect())
    }

    async fn record_redrive(&self, redrive: &Redrive, letters: &[RedrivenLetter]) -> Result<()> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        transaction
            .execute(
                "INSERT INTO redrives (redrive_id, at, correlation_id, filter, force, matched, redriven, skipped)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (redrive_id) DO UPDATE
                    SET matched = excluded.matched, redriven = excluded.redriven, skipped = excluded.skipped",
                &[
                    &redrive.id.0,
                    &redrive.at,
                    &redrive.correlation_id,
                    &Json(&redrive.filter),
                    &redrive.force,
                    &(redrive.matched as i32),
                    &(redrive.redriven as i32),
                    &Json(&redrive.skipped),
                ],
            )
            .await
            .map_err(fault)?;
        let original = Columns::of(letters.iter().map(|letter| &letter.original));
        let letter = Columns::of(letters.iter().map(|letter| &letter.letter));
        let sent: Vec<_> = letters.iter().map(|letter| letter.sent_offset).collect();
        transaction
            .execute(
                "INSERT INTO redriven_letters (redrive_id, original_topic, original_partition, original_offset,
                                               letter_topic, letter_partition, letter_offset, sent_offset)
                 SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[], $5::text[], $6::int[], $7::bigint[],
                                          $8::bigint[])
                 ON CONFLICT DO NOTHING",
                &[
                    &redrive.id.0,
                    &original.topics,
                    &original.partitions,
                    &original.offsets,
                    &letter.topics,
                    &letter.partitions,
                    &letter.offsets,
                    &sent,
                ],
            )
            .await
            .map_err(fault)?;
        transaction.commit().await.map_err(fault)
    }

    async fn redrives(&self, before: Option<RedriveId>, limit: u32) -> Result<Vec<Redrive>> {
        let client = self.client().await?;
        // Ids are UUIDv7: their order is that of the requests.
        let rows = client
            .query(
                "SELECT * FROM redrives WHERE ($1::uuid IS NULL OR redrive_id < $1)
                  ORDER BY redrive_id DESC LIMIT $2",
                &[&before.map(|id| id.0), &i64::from(limit)],
            )
            .await
            .map_err(fault)?;
        Ok(rows.iter().map(redrive).collect())
    }

    async fn redrive(&self, id: RedriveId) -> Result<Option<(Redrive, Vec<RedrivenLetter>)>> {
        let client = self.client().await?;
        let found = client
            .query_opt("SELECT * FROM redrives WHERE redrive_id = $1", &[&id.0])
            .await
            .map_err(fault)?;
        let Some(found) = found else { return Ok(None) };
        let rows = client
            .query(
                "SELECT * FROM redriven_letters WHERE redrive_id = $1
                  ORDER BY letter_topic, letter_partition, letter_offset",
                &[&id.0],
            )
            .await
            .map_err(fault)?;
        let letters = rows.iter().map(|row| RedrivenLetter {
            original: place(row, "original"),
            letter: place(row, "letter"),
            sent_offset: row.get("sent_offset"),
        });
        Ok(Some((redrive(&found), letters.collect())))
    }
}

fn place(row: &Row, which: &str) -> Place {
    let column = |part: &str| format!("{which}_{part}");
    Place {
        topic: row.get(column("topic").as_str()),
        partition: row.get(column("partition").as_str()),
        offset: row.get(column("offset").as_str()),
    }
}

fn redrive(row: &Row) -> Redrive {
    Redrive {
        id: RedriveId(row.get("redrive_id")),
        at: row.get("at"),
        correlation_id: row.get("correlation_id"),
        filter: row.get::<_, Json<serde_json::Value>>("filter").0,
        force: row.get("force"),
        matched: row.get::<_, i32>("matched") as u32,
        redriven: row.get::<_, i32>("redriven") as u32,
        skipped: row.get::<_, Json<BTreeMap<String, u32>>>("skipped").0,
    }
}
