//! Personas, and whether their collections can be asked.

use crate::{error::fault, pool::Ledger, status::chunk_counts};
use async_trait::async_trait;
use ragstream_core::{
    fault::Result,
    id::PersonaId,
    ports::{CollectionState, NewPersona, Persona, Personas},
};
use tokio_postgres::{Row, types::ToSql};

/// Whether a collection has documents, and any that is under way: two looks into an index, however
/// many documents there are. Jobs from before there were lanes don't know their collection.
const STATE: &str = "SELECT EXISTS (SELECT FROM documents WHERE collection = $1) AS has_documents,
            EXISTS (SELECT FROM document_jobs
                     WHERE collection = $1 AND stage NOT IN ('complete', 'failed', 'cancelled'))
         OR EXISTS (SELECT FROM document_jobs j JOIN documents d USING (document_id)
                     WHERE j.collection IS NULL AND j.stage NOT IN ('complete', 'failed', 'cancelled')
                       AND d.collection = $1) AS has_open";

/// How far the documents of a collection are.
const PROGRESS: &str = concat!(
    "SELECT (SELECT count(*) FROM documents WHERE collection = $1) AS total, count(*) AS open,
            coalesce(sum(job_percentage(j.stage, j.reached, j.chunks_expected, c.embedded + c.indexed,
                                        c.indexed)), 0)::float8 AS percent
       FROM document_jobs j JOIN documents d USING (document_id), LATERAL",
    chunk_counts!(),
    "c WHERE (j.collection = $1 OR j.collection IS NULL)
         AND j.stage NOT IN ('complete', 'failed', 'cancelled') AND d.collection = $1"
);

#[async_trait]
impl Personas for Ledger {
    async fn create_persona(&self, persona: &NewPersona) -> Result<Persona> {
        let client = self.client().await?;
        let statement =
            "INSERT INTO personas (persona_id, name, description, collection, system_prompt, mode,
                                              model, temperature, top_k, max_tokens)
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING *";
        let (top_k, max_tokens) = (whole(persona.top_k), whole(persona.max_tokens));
        let id = PersonaId::generate().0;
        let parameters = parameters(&id, persona, &top_k, &max_tokens);
        let row = client.query_one(statement, &parameters).await.map_err(fault)?;
        Ok(self::persona(&row))
    }

    async fn personas(&self, before: Option<PersonaId>, limit: u32) -> Result<Vec<Persona>> {
        let client = self.client().await?;
        // Ids are UUIDv7: their order is that of the creation.
        let rows = client
            .query(
                "SELECT * FROM personas WHERE $1::uuid IS NULL OR persona_id < $1
                  ORDER BY persona_id DESC LIMIT $2",
                &[&before.map(|id| id.0), &i64::from(limit)],
            )
            .await
            .map_err(fault)?;
        Ok(rows.iter().map(persona).collect())
    }

    async fn persona(&self, persona_id: PersonaId) -> Result<Option<Persona>> {
        let client = self.client().await?;
        let statement =
            client.prepare_cached("SELECT * FROM personas WHERE persona_id = $1").await.map_err(fault)?;
        let row = client.query_opt(&statement, &[&persona_id.0]).await.map_err(fault)?;
        Ok(row.as_ref().map(self::persona))
    }

    async fn update_persona(&self, persona_id: PersonaId, persona: &NewPersona) -> Result<Option<Persona>> {
        let client = self.client().await?;
        let statement = "UPDATE personas
                            SET name = $2, description = $3, collection = $4, system_prompt = $5, mode = $6,
                                model = $7, temperature = $8, top_k = $9, max_tokens = $10, updated_at = now()
                          WHERE persona_id = $1 RETURNING *";
        let (top_k, max_tokens) = (whole(persona.top_k), whole(persona.max_tokens));
        let parameters = parameters(&persona_id.0, persona, &top_k, &max_tokens);
        let row = client.query_opt(statement, &parameters).await.map_err(fault)?;
        Ok(row.as_ref().map(self::persona))
    }

    async fn remove_persona(&self, persona_id: PersonaId) -> Result<bool> {
        let client = self.client().await?;
        let removed = client
            .execute("DELETE FROM personas WHERE persona_id = $1", &[&persona_id.0])
            .await
            .map_err(fault)?;
        Ok(removed == 1)
    }

    async fn collection_state(&self, collection: &str) -> Result<CollectionState> {
        let client = self.client().await?;
        let statement = client.prepare_cached(STATE).await.map_err(fault)?;
        let row = client.query_one(&statement, &[&collection]).await.map_err(fault)?;
        match (row.get("has_documents"), row.get("has_open")) {
            (false, _) => return Ok(CollectionState::Empty),
            (true, false) => return Ok(CollectionState::Ready),
            (true, true) => {}
        }
        let statement = client.prepare_cached(PROGRESS).await.map_err(fault)?;
        let row = client.query_one(&statement, &[&collection]).await.map_err(fault)?;
        let (total, open): (i64, i64) = (row.get("total"), row.get("open"));
        // What was seen before may be over by now.
        Ok(match (total, open) {
            (0, _) => CollectionState::Empty,
            (_, 0) => CollectionState::Ready,
            (total, open) => {
                let done = (total - open).max(0) as u64;
                let percent = (100.0 * done as f64 + row.get::<_, f64>("percent")) / total as f64;
                let percentage = ((percent * 10.0).floor() / 10.0).min(99.9) as f32;
                CollectionState::UnderWay { done, total: total as u64, percentage }
            }
        })
    }
}

fn whole(number: Option<u32>) -> Option<i32> {
    number.map(|n| n.min(i32::MAX as u32) as i32)
}

fn parameters<'a>(
    id: &'a uuid::Uuid,
    persona: &'a NewPersona,
    top_k: &'a Option<i32>,
    max_tokens: &'a Option<i32>,
) -> [&'a (dyn ToSql + Sync); 10] {
    [
        id,
        &persona.name,
        &persona.description,
        &persona.collection,
        &persona.system_prompt,
        &persona.mode,
        &persona.model,
        &persona.temperature,
        top_k,
        max_tokens,
    ]
}

fn persona(row: &Row) -> Persona {
    let number = |name: &str| row.get::<_, Option<i32>>(name).map(|n| n as u32);
    Persona {
        persona_id: PersonaId(row.get("persona_id")),
        is: NewPersona {
            name: row.get("name"),
            description: row.get("description"),
            collection: row.get("collection"),
            system_prompt: row.get("system_prompt"),
            mode: row.get("mode"),
            model: row.get("model"),
            temperature: row.get("temperature"),
            top_k: number("top_k"),
            max_tokens: number("max_tokens"),
        },
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    }
}
