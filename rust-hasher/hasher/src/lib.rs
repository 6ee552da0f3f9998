//! Python binding of the ring: converts arguments and results, and nothing else.

mod convert;
mod map;
mod records;

use covet_ring::{Hash, KeyType, PG1_SEED, SLOTS, slot_of_position, sql};
use pyo3::prelude::*;

/// Ring position (32 bits) of a key under a named hash.
#[pyfunction]
#[pyo3(signature = (key, hash = "pg1"))]
fn position(key: &Bound<'_, PyAny>, hash: &str) -> PyResult<u32> {
    let hash = Hash::from_name(hash).map_err(convert::error)?;
    convert::with_key(key, |key| hash.position(key))
}

/// Slot (0 to 16383) of a key under a named hash.
#[pyfunction]
#[pyo3(signature = (key, hash = "pg1"))]
fn slot(key: &Bound<'_, PyAny>, hash: &str) -> PyResult<u16> {
    position(key, hash).map(slot_of_position)
}

/// SQL expression that a range of slots is a range of.
#[pyfunction]
#[pyo3(signature = (column, key_type, hash = "pg1"))]
fn sql_expression(column: &str, key_type: &str, hash: &str) -> PyResult<String> {
    let key_type = KeyType::from_name(key_type).map_err(convert::error)?;
    let hash = Hash::from_name(hash).map_err(convert::error)?;
    sql::expression(column, key_type, hash).map_err(convert::error)
}

/// SQL predicate: the row belongs to slots `first` to `last`.
#[pyfunction]
#[pyo3(signature = (column, key_type, first, last, hash = "pg1"))]
fn sql_predicate(column: &str, key_type: &str, first: i64, last: i64, hash: &str) -> PyResult<String> {
    let key_type = KeyType::from_name(key_type).map_err(convert::error)?;
    let hash = Hash::from_name(hash).map_err(convert::error)?;
    let (first, last) = covet_ring::diff::check_range(first, last).map_err(convert::error)?;
    sql::predicate(column, key_type, hash, first, last).map_err(convert::error)
}

/// A SELECT for a server and the row it must answer with.
#[pyfunction]
#[pyo3(signature = (hash = "pg1"))]
fn sql_probe(hash: &str) -> PyResult<(String, Vec<i64>)> {
    let hash = Hash::from_name(hash).map_err(convert::error)?;
    sql::probe(hash).map_err(convert::error)
}

/// The ring of Covet, in Rust.
#[pymodule(gil_used = false)]
fn _ring(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("SLOTS", SLOTS)?;
    module.add("PG1_SEED", PG1_SEED)?;
    module.add("RingError", module.py().get_type::<convert::RingError>())?;
    module.add_class::<map::PyMap>()?;
    module.add_class::<records::PyMove>()?;
    module.add_class::<records::PyShard>()?;
    module.add_function(wrap_pyfunction!(position, module)?)?;
    module.add_function(wrap_pyfunction!(slot, module)?)?;
    module.add_function(wrap_pyfunction!(sql_expression, module)?)?;
    module.add_function(wrap_pyfunction!(sql_predicate, module)?)?;
    module.add_function(wrap_pyfunction!(sql_probe, module)?)?;
    Ok(())
}
