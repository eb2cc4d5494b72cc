//! What a persona may be.

use crate::upload::check_collection;
use ragstream_api::{
    personas::{
        MAX_DESCRIPTION, MAX_MODEL, MAX_NAME, MAX_SYSTEM_PROMPT, MAX_TEMPERATURE, MAX_TOKENS, PersonaRequest,
    },
    problem::Problem,
    search::MAX_TOP_K,
};
use ragstream_core::ports::NewPersona;

/// A persona as it goes on record.
pub(crate) fn persona(request: PersonaRequest) -> Result<NewPersona, Problem> {
    let PersonaRequest {
        name,
        description,
        collection,
        system_prompt,
        mode,
        model,
        temperature,
        top_k,
        max_tokens,
    } = request;
    let name = named("name", name)?;
    if description.chars().count() > MAX_DESCRIPTION || description.contains('\0') {
        return Err(Problem::invalid_field(
            "description",
            format_args!("is longer than {MAX_DESCRIPTION} characters, or holds a zero"),
        ));
    }
    check_collection(&collection)?;
    if system_prompt.len() > MAX_SYSTEM_PROMPT || system_prompt.contains('\0') {
        return Err(Problem::invalid_field(
            "system_prompt",
            format_args!("is longer than {MAX_SYSTEM_PROMPT} bytes, or holds a zero"),
        ));
    }
    let fits = |model: &String| (1..=MAX_MODEL).contains(&model.len()) && !model.contains('\0');
    if !model.as_ref().is_none_or(fits) {
        return Err(Problem::invalid_field(
            "model",
            format_args!("must be the name of a model, {MAX_MODEL} bytes at most, or left out"),
        ));
    }
    if !temperature.is_none_or(|degrees| (0.0..=MAX_TEMPERATURE).contains(&degrees)) {
        return Err(Problem::invalid_field("temperature", format_args!("must be 0 to {MAX_TEMPERATURE}")));
    }
    if !top_k.is_none_or(|passages| (1..=MAX_TOP_K).contains(&(passages as usize))) {
        return Err(Problem::invalid_field("top_k", format_args!("must be 1 to {MAX_TOP_K}")));
    }
    if !max_tokens.is_none_or(|tokens| (1..=MAX_TOKENS).contains(&tokens)) {
        return Err(Problem::invalid_field("max_tokens", format_args!("must be 1 to {MAX_TOKENS}")));
    }
    let mode = mode.as_str().to_owned();
    Ok(NewPersona {
        name,
        description,
        collection,
        system_prompt,
        mode,
        model,
        temperature,
        top_k,
        max_tokens,
    })
}

/// The title of a conversation.
pub(crate) fn title(title: String) -> Result<String, Problem> {
    named("title", title)
}

fn named(field: &str, name: String) -> Result<String, Problem> {
    let name = name.trim();
    if !(1..=MAX_NAME).contains(&name.chars().count()) || name.contains('\0') {
        return Err(Problem::invalid_field(field, format_args!("must be 1 to {MAX_NAME} characters")));
    }
    Ok(name.to_owned())
}
