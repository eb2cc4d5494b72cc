//! Where the store is and how it is entered.

use percent_encoding::percent_decode_str;
use std::{fmt, str::FromStr};
use thiserror::Error;
use url::Url;

/// The region that stores without regions expect.
const DEFAULT_REGION: &str = "us-east-1";

/// Where the store is and how it is entered.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Config {
    /// Scheme, host and port, such as `http://minio:9000`.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// Half of the credentials.
    pub access_key: String,
    /// The secret half; not printed.
    pub secret_key: String,
    /// Whether the bucket is the first part of the path (MinIO and most others), not of the host name (AWS).
    pub path_style: bool,
}

/// What is wrong with the URL of a blob store. The text never holds the credentials.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum S3ConfigError {
    /// It is no URL.
    #[error("the blob store's address is no URL ({0}); expected {FORM}")]
    NoUrl(String),
    /// Something is missing.
    #[error("the blob store's address has no {0}; expected {FORM}")]
    Missing(&'static str),
    /// Something is there that means nothing.
    #[error("the blob store's address: {0}; expected {FORM}")]
    Unknown(String),
}

const FORM: &str = "http(s)://ACCESS:SECRET@HOST:PORT/BUCKET[?region=REGION&path_style=true|false], with \
                    reserved characters in ACCESS and SECRET percent-encoded";

impl FromStr for S3Config {
    type Err = S3ConfigError;

    fn from_str(text: &str) -> Result<Self, S3ConfigError> {
        let url = Url::parse(text).map_err(|error| S3ConfigError::NoUrl(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(S3ConfigError::Unknown(format!("scheme `{}`", url.scheme())));
        }
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let needed = |text: &str, what| match text {
            "" => Err(S3ConfigError::Missing(what)),
            text => Ok(decode(text)),
        };
        let host = url.host_str().ok_or(S3ConfigError::Missing("host"))?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let path = url.path().trim_matches('/');
        if path.contains('/') {
            return Err(S3ConfigError::Unknown("the path has more than the bucket's name".into()));
        }
        let mut config = Self {
            endpoint: format!("{}://{host}{port}", url.scheme()),
            region: DEFAULT_REGION.into(),
            bucket: needed(path, "bucket")?,
            access_key: needed(url.username(), "access key")?,
            secret_key: needed(url.password().unwrap_or_default(), "secret key")?,
            path_style: true,
        };
        for (name, value) in url.query_pairs() {
            match (name.as_ref(), value.as_ref()) {
                ("region", region) => config.region = region.into(),
                ("path_style", "true") => config.path_style = true,
                ("path_style", "false") => config.path_style = false,
                (name, value) => return Err(S3ConfigError::Unknown(format!("`{name}={value}`"))),
            }
        }
        Ok(config)
    }
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Config")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("bucket", &self.bucket)
            .field("access_key", &self.access_key)
            .field("path_style", &self.path_style)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_what_it_documents() {
        let config: S3Config = "http://key:s%2Fecr%40t@minio:9000/documents".parse().unwrap();
        let expected = S3Config {
            endpoint: "http://minio:9000".into(),
            region: "us-east-1".into(),
            bucket: "documents".into(),
            access_key: "key".into(),
            secret_key: "s/ecr@t".into(),
            path_style: true,
        };
        assert_eq!(config, expected);
        let config: S3Config =
            "https://k:s@s3.eu-central-1.amazonaws.com/b/?region=eu-central-1&path_style=false"
                .parse()
                .unwrap();
        assert_eq!(config.endpoint, "https://s3.eu-central-1.amazonaws.com");
        assert_eq!((config.region.as_str(), config.path_style), ("eu-central-1", false));
    }

    #[test]
    fn says_what_is_missing_and_never_the_secret() {
        for (bad, named) in [
            ("minio", "no URL"),
            ("ftp://k:topsecret@h/b", "scheme `ftp`"),
            ("http://h/b", "access key"),
            ("http://k@h/b", "secret key"),
            ("http://k:topsecret@h", "bucket"),
            ("http://k:topsecret@h/b/c", "more than"),
            ("http://k:topsecret@h/b?color=red", "color"),
        ] {
            let error = bad.parse::<S3Config>().unwrap_err().to_string();
            assert!(error.contains(named) && !error.contains("topsecret"), "{bad}: {error}");
        }
        let config: S3Config = "http://k:topsecret@h/b".parse().unwrap();
        assert!(!format!("{config:?}").contains("topsecret"));
    }
}
