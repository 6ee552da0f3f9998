//! Python values to canonical keys, and refusals to `RingError`.

use covet_ring::{Error, Key};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString, PyType};

pyo3::create_exception!(
    covet_hasher,
    RingError,
    PyValueError,
    "A key, a map or a change of a map was refused.\n\nThe message is a sentence; `reason` is one CamelCase word that programs can compare."
);

/// The Python exception for a refusal.
#[expect(clippy::needless_pass_by_value, reason = "has the shape that map_err wants")]
pub(crate) fn error(error: Error) -> PyErr {
    Python::attach(|py| {
        let raised = RingError::new_err(error.to_string());
        match raised.value(py).setattr("reason", error.reason()) {
            Ok(()) => raised,
            Err(other) => other,
        }
    })
}

/// Calls `use_key` with the canonical key of a Python value.
pub(crate) fn with_key<T>(value: &Bound<'_, PyAny>, use_key: impl FnOnce(Key<'_>) -> Result<T, Error>) -> PyResult<T> {
    if let Ok(text) = value.cast::<PyString>() {
        return use_key(Key::Text(text_of(text)?)).map_err(error);
    }
    if let Some(bytes) = uuid_bytes(value)? {
        return use_key(Key::Uuid(bytes)).map_err(error);
    }
    use_key(Key::Bigint(int_of(value)?)).map_err(error)
}

/// The UTF-8 text of a str; lone surrogates have none.
pub(crate) fn text_of<'a>(text: &'a Bound<'_, PyString>) -> PyResult<&'a str> {
    text.to_str().map_err(|_| not_a_key("a str with lone surrogates has no UTF-8 form and is not a key"))
}

/// The integer of an int or of a NumPy integer; nothing is rounded on the way.
pub(crate) fn int_of(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    // An exact int is no bool, and it is the usual case.
    if value.is_exact_instance_of::<PyInt>() {
        return value.extract().map_err(|_| not_a_key(&format!("{value} does not fit a bigint (64 bits, signed)")));
    }
    if value.is_none() {
        return Err(not_a_key("NULL (None) is not a key: a row without a key has no owner"));
    }
    if value.is_instance_of::<PyBool>() {
        return Err(not_a_key("a boolean is not a key"));
    }
    if value.is_instance_of::<PyFloat>() {
        return Err(not_a_key("a float is not a key: equal numbers may differ in their bits"));
    }
    let type_name = value.get_type().name()?;
    if value.hasattr("__index__")? && !type_name.to_cow()?.starts_with("bool") {
        return value.extract().map_err(|_| not_a_key(&format!("{value} does not fit a bigint (64 bits, signed)")));
    }
    Err(not_a_key(&format!("a {type_name} is not a key; keys are int, str and uuid.UUID")))
}

/// The 16 bytes of a `uuid.UUID`, or nothing for another type.
pub(crate) fn uuid_bytes(value: &Bound<'_, PyAny>) -> PyResult<Option<[u8; 16]>> {
    static UUID: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = value.py();
    if !value.is_instance(UUID.import(py, "uuid", "UUID")?)? {
        return Ok(None);
    }
    let number: u128 = value.getattr(pyo3::intern!(py, "int"))?.extract()?;
    Ok(Some(number.to_be_bytes()))
}

pub(crate) fn not_a_key(sentence: &str) -> PyErr {
    error(Error::NotAKey(sentence.to_owned()))
}
