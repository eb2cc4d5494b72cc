//! Blobs as bodies: whole, or the part of them that a client asks for (RFC 9110, section 14).

use crate::Gateway;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_range_header::parse_range_header;
use ragstream_api::problem::Problem;
use std::ops::Range;

/// What a client asks for.
enum Asked {
    Whole,
    Part(Range<u64>),
    Nothing,
}

/// The blob under `key`, of `size` bytes, which `tag` names.
pub(super) async fn blob(
    gateway: &Gateway,
    key: &str,
    size: u64,
    tag: &str,
    asking: &HeaderMap,
) -> Result<Response, Problem> {
    let etag = HeaderValue::from_str(&format!("\"{tag}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    let (status, length, part) = match asked(asking, size, &etag) {
        Asked::Whole => (StatusCode::OK, size, None),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part.end - part.start, Some(part)),
        Asked::Nothing => {
            let beyond = Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range_not_satisfiable",
                format!("there are {size} bytes: ask for some of them"),
            );
            return Ok(([(header::CONTENT_RANGE, format!("bytes */{size}"))], beyond).into_response());
        }
    };
    let content_range = part.as_ref().map(|part| format!("bytes {}-{}/{size}", part.start, part.end - 1));
    let body = Body::from_stream(gateway.blobs.get(key, part).await?);
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, etag);
    if let Some(range) = content_range.and_then(|range| HeaderValue::from_str(&range).ok()) {
        headers.insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

/// One range is served; several, or none that can be read, are the whole, as a server may.
fn asked(headers: &HeaderMap, size: u64, etag: &HeaderValue) -> Asked {
    // Of another version than the client has the rest of.
    if headers.get(header::IF_RANGE).is_some_and(|condition| condition != etag) {
        return Asked::Whole;
    }
    let Some(range) = headers.get(header::RANGE).and_then(|range| range.to_str().ok()) else {
        return Asked::Whole;
    };
    let Ok(ranges) = parse_range_header(range) else { return Asked::Whole };
    match ranges.validate(size).as_deref() {
        Ok([one]) => Asked::Part(*one.start()..one.end() + 1),
        Ok(_) => Asked::Whole,
        Err(_) => Asked::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(range: &str, if_range: Option<&'static str>) -> Option<Range<u64>> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).expect("a header"));
        if let Some(tag) = if_range {
            headers.insert(header::IF_RANGE, HeaderValue::from_static(tag));
        }
        match asked(&headers, 100, &HeaderValue::from_static("\"a\"")) {
            Asked::Whole => Some(0..100),
            Asked::Part(part) => Some(part),
            Asked::Nothing => None,
        }
    }

    #[test]
    fn ranges_as_clients_ask_for_them() {
        assert_eq!(part("bytes=0-0", None), Some(0..1));
        assert_eq!(part("bytes=10-", None), Some(10..100));
        assert_eq!(part("bytes=90-1000", None), Some(90..100));
        assert_eq!(part("bytes=-5", None), Some(95..100));
        assert_eq!(part("bytes=100-", None), None);
        assert_eq!(part("bytes=0-1,5-6", None), Some(0..100));
        assert_eq!(part("lines=1-2", None), Some(0..100));
        assert_eq!(part("bytes=1-2", Some("\"a\"")), Some(1..3));
        assert_eq!(part("bytes=1-2", Some("\"b\"")), Some(0..100));
    }
}
