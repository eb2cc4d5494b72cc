//! The HTTP side: a thread with a runtime of its own.

use crate::{Result, error::Doing};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
};
use s3s::service::S3Service;
use std::{
    net::TcpListener,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::oneshot;

/// Threads for requests. Files are read and written beside them.
const WORKERS: usize = 2;

/// How long to wait after a connection could not be accepted, which is mostly
/// for want of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A server that runs until this is dropped or stopped.
pub(super) struct Serving {
    stop: Option<oneshot::Sender<Duration>>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    pub(super) fn start(listener: TcpListener, service: S3Service) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("s3")
            .enable_all()
            .build()
            .doing(|| "starting the S3 server".into())?;
        let listening = || {
            listener.set_nonblocking(true)?;
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)
        };
        let listener = listening().doing(|| "starting the S3 server".into())?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("s3-server".into())
            .spawn(move || runtime.block_on(serve(listener, service, stopped)))
            .doing(|| "starting the S3 server".into())?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    pub(super) fn stop(mut self, deadline: Duration) {
        self.end(deadline);
    }

    fn end(&mut self, deadline: Duration) {
        if let (Some(stop), Some(thread)) = (self.stop.take(), self.thread.take()) {
            // Refused only where the server has ended already.
            let _ = stop.send(deadline);
            let _ = thread.join();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

async fn serve(
    listener: tokio::net::TcpListener,
    service: S3Service,
    mut stopped: oneshot::Receiver<Duration>,
) {
    let http = auto::Builder::new(TokioExecutor::new());
    let open = GracefulShutdown::new();
    let deadline = loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            deadline = &mut stopped => break deadline.unwrap_or_default(),
        };
        match accepted {
            Ok((socket, _)) => {
                // Small answers must not wait 40 ms for the client's acknowledgement (Nagle, RFC 896).
                // Without it they are slow, not wrong.
                let _ = socket.set_nodelay(true);
                let connection = http.serve_connection(TokioIo::new(socket), service.clone());
                let connection = open.watch(connection.into_owned());
                tokio::spawn(async move {
                    // A client that goes away is not our error.
                    let _ = connection.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "s3 server can't accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    };
    let _ = tokio::time::timeout(deadline, open.shutdown()).await;
}
