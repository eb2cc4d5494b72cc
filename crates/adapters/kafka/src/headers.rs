//! The headers of a record, read without trusting them.
//!
//! rdkafka's own reader panics on a name that is not UTF-8, which a client that is
//! not Java's can write: one such record would end every consumer of its partition.

use bytes::Bytes;
use rdkafka::{bindings, message::BorrowedMessage};
use std::{ffi::CStr, ptr, slice};

/// Names and values in order. What of a name is not UTF-8 is replaced by U+FFFD;
/// values are as they were, absent ones too.
pub(crate) fn headers_of(record: &BorrowedMessage<'_>) -> Vec<(String, Option<Bytes>)> {
    let mut native = ptr::null_mut();
    // SAFETY: the message is alive, and owns the headers that this points to.
    let error = unsafe { bindings::rd_kafka_message_headers(record.ptr(), &mut native) };
    if error != bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || native.is_null() {
        return Vec::new();
    }
    let mut headers = Vec::new();
    loop {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the headers are alive as long as the message; an index past their
        // end is an error, not undefined.
        let error = unsafe {
            bindings::rd_kafka_header_get_all(native, headers.len(), &mut name, &mut value, &mut size)
        };
        if error != bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
            return headers;
        }
        // SAFETY: librdkafka ends names with a zero byte, and a value that is not
        // null has `size` bytes; both are copied here.
        let (name, value) = unsafe {
            let bytes = |value: *const std::ffi::c_void| slice::from_raw_parts(value.cast::<u8>(), size);
            (CStr::from_ptr(name), (!value.is_null()).then(|| Bytes::copy_from_slice(bytes(value))))
        };
        headers.push((name.to_string_lossy().into_owned(), value));
    }
}
