//! The door for agents: the Model Context Protocol over streamable HTTP at `/mcp`.
//!
//! Each request stands for itself: no conversation is kept between two, so that any gateway answers any of
//! them. [`tools`] are what agents may call.

mod tools;

use crate::{Gateway, GatewayConfig};
use ragstream_runtime::config::ConfigError;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tools::Tools;
use url::{Host, Url};

/// Largest request: a file of 6 MiB as base64, which is more than a model writes. Larger ones go to
/// `/api/v2/documents/upload`.
const MAX_BODY_BYTES: usize = 8 << 20;

/// Answers at `/mcp`.
pub(crate) type Service = StreamableHttpService<Tools, NeverSessionManager>;

/// The names under which `/mcp` is reached.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Hosts {
    Any,
    These(Vec<String>),
}

impl Hosts {
    pub(crate) fn of(config: &GatewayConfig) -> Result<Self, ConfigError> {
        if config.mcp_hosts.iter().any(|host| host == "*") {
            return Ok(Self::Any);
        }
        let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        let public: Option<Url> = config.public_url.as_ref().and_then(|url| url.parse().ok());
        hosts.extend(public.and_then(|url| url.host_str().map(str::to_owned)));
        for host in &config.mcp_hosts {
            Host::parse(host).map_err(|e| {
                ConfigError(format!("RAGSTREAM_GATEWAY_MCP_HOSTS: {host:?} is no name of a host: {e}"))
            })?;
            hosts.push(host.clone());
        }
        Ok(Self::These(hosts))
    }
}

/// The service, until the token is cancelled.
pub(crate) fn service(gateway: Gateway, hosts: Hosts, token: CancellationToken) -> Service {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_BODY_BYTES)
        .with_cancellation_token(token);
    let config = match hosts {
        Hosts::Any => config.disable_allowed_hosts(),
        Hosts::These(hosts) => config.with_allowed_hosts(hosts),
    };
    let tools = Tools::new(gateway);
    StreamableHttpService::new(move || Ok(tools.clone()), Arc::new(NeverSessionManager::default()), config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hosts_are_those_of_loopback_and_what_is_configured() {
        let of = |public_url: Option<&str>, hosts: &[&str]| {
            Hosts::of(&GatewayConfig {
                public_url: public_url.map(str::to_owned),
                mcp_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
                ..GatewayConfig::default()
            })
        };
        let local = ["localhost", "127.0.0.1", "::1"];
        let these =
            |more: &[&str]| Hosts::These([&local, more].concat().iter().map(|h| (*h).into()).collect());
        assert_eq!(of(None, &[]).unwrap(), these(&[]));
        assert_eq!(
            of(Some("https://docs.example.org/"), &["rag"]).unwrap(),
            these(&["docs.example.org", "rag"])
        );
        assert_eq!(of(None, &["rag", "*"]).unwrap(), Hosts::Any);
        assert!(of(None, &["not a host"]).is_err());
    }
}
