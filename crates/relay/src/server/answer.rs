//! Answers whose pieces are not copied together: head, payload and tail of a part leave in one system call.
//!
//! axum's bodies are made of single `Bytes`, of which hyper sends each by itself once there is more than it may hold
//! back. A handler therefore puts its pieces beside an empty answer, and the connection takes them from there.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use bytes::buf::{Buf as _, Chain};
use futures_util::Stream;
use http_body::{Frame, SizeHint};

/// Bytes that leave together, from where they lie.
pub type Piece = Chain<Chain<Bytes, Bytes>, Bytes>;

/// An answer piece by piece.
pub type Pieces = Pin<Box<dyn Stream<Item = io::Result<Piece>> + Send>>;

/// Puts three together to one piece.
pub fn piece(head: Bytes, payload: Bytes, tail: Bytes) -> Piece {
    head.chain(payload).chain(tail)
}

/// An answer whose body is these pieces.
pub fn in_pieces(pieces: Pieces) -> Response {
    // Of unknown length, or axum would say that it has none.
    let placeholder = futures_util::stream::empty::<io::Result<Bytes>>();
    let mut response = Response::new(Body::from_stream(placeholder));
    response.extensions_mut().insert(Beside(Arc::new(Mutex::new(Some(pieces)))));
    response
}

#[derive(Clone)]
struct Beside(Arc<Mutex<Option<Pieces>>>);

/// The body of an answer, as the connection sends it.
pub(super) enum Answer {
    Whole(Body),
    Pieces(Pieces),
}

impl Answer {
    /// Takes the pieces that a handler put beside its answer, or else the answer's own body.
    pub(super) fn of(mut response: Response) -> hyper::Response<Self> {
        let beside = response.extensions_mut().remove::<Beside>();
        let pieces = beside.and_then(|Beside(pieces)| pieces.lock().ok()?.take());
        response.map(|body| match pieces {
            Some(pieces) => Self::Pieces(pieces),
            None => Self::Whole(body),
        })
    }
}

impl HttpBody for Answer {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        match self.get_mut() {
            Self::Whole(body) => {
                let whole = |data| piece(data, Bytes::new(), Bytes::new());
                Pin::new(body).poll_frame(cx).map_ok(|frame| frame.map_data(whole))
            }
            Self::Pieces(pieces) => {
                pieces.as_mut().poll_next(cx).map_ok(Frame::data).map_err(axum::Error::new)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
