//! `Map` for Python.

#![expect(clippy::needless_pass_by_value, reason = "pyo3 hands over what it read from Python by value")]

use std::collections::BTreeMap;

use covet_ring::map::DEFAULT_GROUP;
use covet_ring::{Error, Group, Hash, Hashes, Key, KeyType, Map, Strategy, Table, sql};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::convert::{self, error};
use crate::records::{PyMove, PyShard};

/// Which shard owns a key: versioned, exact and immutable.
#[pyclass(name = "Map", module = "covet_hasher", frozen)]
pub(crate) struct PyMap {
    map: Map,
    /// The shards as Python objects by id, so that a lookup creates nothing.
    shards: BTreeMap<u16, Py<PyShard>>,
}

impl PyMap {
    fn wrap(py: Python<'_>, map: Map) -> PyResult<Self> {
        let shards = map.shards().iter().map(|shard| Ok((shard.id, Py::new(py, PyShard::from(shard))?)));
        let shards = shards.collect::<PyResult<_>>()?;
        Ok(Self { map, shards })
    }

    /// The group that a call names, by its own name or by a table in it.
    fn group(&self, group: Option<&str>, table: Option<&str>) -> PyResult<&Group> {
        match (group, table) {
            (Some(_), Some(_)) => Err(pyo3::exceptions::PyTypeError::new_err("name a group or a table, not both")),
            (None, Some(table)) => self.map.group_of_table(table).map_err(error),
            (group, None) => self.map.group(group.unwrap_or(DEFAULT_GROUP)).map_err(error),
        }
    }

    fn shard_with_id(&self, py: Python<'_>, group: &Group, id: u16) -> PyResult<Py<PyShard>> {
        let shard =
            self.shards.get(&id).ok_or_else(|| error(Error::UnknownShardId { group: group.name.clone(), id }))?;
        Ok(shard.clone_ref(py))
    }
}

#[pymethods]
impl PyMap {
    /// The first map of a cluster.
    #[staticmethod]
    #[pyo3(signature = (cluster_uid, shards, hashes = None))]
    fn initial(
        py: Python<'_>,
        cluster_uid: &str,
        shards: Vec<(String, i64)>,
        hashes: Option<BTreeMap<String, String>>,
    ) -> PyResult<Self> {
        let hashes = hashes.map_or(Ok(Hashes::POSTGRESQL), hashes_of).map_err(error)?;
        Self::wrap(py, Map::initial(cluster_uid, &weighed(shards)?, hashes).map_err(error)?)
    }

    /// Reads a map and checks all of it.
    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        let map = py.detach(|| Map::from_json(text)).map_err(error)?;
        Self::wrap(py, map)
    }

    /// Reads a document without a checksum and checks all else.
    #[staticmethod]
    fn seal(py: Python<'_>, text: &str) -> PyResult<Self> {
        let map = py.detach(|| Map::seal(text)).map_err(error)?;
        Self::wrap(py, map)
    }

    /// The one text of the map.
    fn to_json(&self) -> String {
        self.map.to_json()
    }

    /// Checks the map, and that it may replace `previous`.
    #[pyo3(signature = (previous = None))]
    fn validate(&self, previous: Option<&Self>) -> PyResult<()> {
        self.map.validate().map_err(error)?;
        previous.map_or(Ok(()), |previous| self.map.check_successor_of(&previous.map)).map_err(error)
    }

    #[getter]
    fn cluster(&self) -> &str {
        self.map.cluster()
    }

    #[getter]
    fn epoch(&self) -> u64 {
        self.map.epoch()
    }

    #[getter]
    fn digest(&self) -> String {
        self.map.digest()
    }

    #[getter]
    fn shards(&self, py: Python<'_>) -> Vec<Py<PyShard>> {
        let ids = self.map.shards().iter().map(|shard| shard.id);
        ids.filter_map(|id| self.shards.get(&id)).map(|shard| shard.clone_ref(py)).collect()
    }

    /// Names of the groups, each with its strategy.
    #[getter]
    fn groups(&self) -> BTreeMap<&str, &'static str> {
        let strategy = |group: &Group| match group.strategy {
            Strategy::Hash(_) => "Hash",
            Strategy::Range { .. } => "Range",
            Strategy::List { .. } => "List",
        };
        self.map.groups().iter().map(|group| (group.name.as_str(), strategy(group))).collect()
    }

    /// Tables: name to (group, key column), or to None for a reference table.
    #[getter]
    fn tables(&self) -> BTreeMap<&str, Option<(&str, &str)>> {
        self.map.tables().iter().map(|(name, table)| (name.as_str(), place_of(table))).collect()
    }

    /// The shard that owns a key.
    #[pyo3(signature = (key, group = None, *, table = None))]
    fn lookup(&self, key: &Bound<'_, PyAny>, group: Option<&str>, table: Option<&str>) -> PyResult<Py<PyShard>> {
        let group = self.group(group, table)?;
        let id = convert::with_key(key, |key| group.owner_of(key))?;
        self.shard_with_id(key.py(), group, id)
    }

    /// Ids of the shards that own many keys.
    #[pyo3(signature = (keys, group = None, *, table = None))]
    fn lookup_many<'py>(
        &self,
        keys: &Bound<'py, PyAny>,
        group: Option<&str>,
        table: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let group = self.group(group, table)?;
        let py = keys.py();
        if let Ok(keys) = keys.cast::<PyList>() {
            return Ok(PyList::new(py, lookup_list(group, keys)?)?.into_any());
        }
        let Some(array) = array_of(keys)? else {
            let wanted = "lookup_many takes a list of int, str or uuid.UUID, or a one-dimensional NumPy array of int64";
            return Err(pyo3::exceptions::PyTypeError::new_err(wanted));
        };
        lookup_array(group, &array).map(Bound::into_any)
    }

    /// The shard that owns a slot of a Hash group.
    #[pyo3(signature = (slot, group = None))]
    fn owner(&self, py: Python<'_>, slot: i64, group: Option<&str>) -> PyResult<Py<PyShard>> {
        let group = self.group(group, None)?;
        let (slot, _) = covet_ring::diff::check_range(slot, slot).map_err(error)?;
        let id = group.hashed().map_err(error)?.owners()[usize::from(slot)];
        self.shard_with_id(py, group, id)
    }

    /// All slots of a Hash group as runs: (first, last, name of the owner).
    #[pyo3(signature = (group = None))]
    fn slots(&self, group: Option<&str>) -> PyResult<Vec<(u16, u16, &str)>> {
        let group = self.group(group, None)?;
        let ranges = group.hashed().map_err(error)?.ranges();
        let named = ranges.into_iter().map(|(first, last, id)| {
            let shard = self.map.shard_with_id(id);
            let shard = shard.ok_or_else(|| error(Error::UnknownShardId { group: group.name.clone(), id }))?;
            Ok((first, last, shard.name.as_str()))
        });
        named.collect()
    }

    /// The runs of slots of a shard: (first, last), inclusive.
    #[pyo3(signature = (shard, group = None))]
    fn ranges(&self, shard: &str, group: Option<&str>) -> PyResult<Vec<(u16, u16)>> {
        self.map.ranges(group.unwrap_or(DEFAULT_GROUP), shard).map_err(error)
    }

    /// Number of slots of each shard, in the order of the shards.
    #[pyo3(signature = (group = None))]
    fn slot_counts<'py>(&self, py: Python<'py>, group: Option<&str>) -> PyResult<Bound<'py, PyDict>> {
        let owners = self.group(group, None)?.hashed().map_err(error)?.owners();
        let mut counts = BTreeMap::new();
        for id in owners {
            *counts.entry(*id).or_insert(0_usize) += 1;
        }
        let out = PyDict::new(py);
        for shard in self.map.shards() {
            out.set_item(&shard.name, counts.get(&shard.id).copied().unwrap_or(0))?;
        }
        Ok(out)
    }

    /// The target of a change of shards.
    fn plan(&self, py: Python<'_>, shards: Vec<(String, i64)>) -> PyResult<Self> {
        Self::wrap(py, self.map.plan(&weighed(shards)?).map_err(error)?)
    }

    /// The next map with other shards and the same owners.
    fn with_shards(&self, py: Python<'_>, shards: Vec<(String, i64)>) -> PyResult<Self> {
        Self::wrap(py, self.map.with_shards(&weighed(shards)?).map_err(error)?)
    }

    /// The next map, after these moves.
    fn with_moves(&self, py: Python<'_>, moves: Vec<PyMove>) -> PyResult<Self> {
        let moves: Vec<_> = moves.iter().map(Into::into).collect();
        Self::wrap(py, self.map.with_moves(&moves).map_err(error)?)
    }

    /// The moves that turn this map into `target`.
    fn diff(&self, target: &Self) -> PyResult<Vec<PyMove>> {
        let moves = self.map.diff(&target.map).map_err(error)?;
        Ok(moves.into_iter().map(Into::into).collect())
    }

    /// SQL predicate: the row belongs to this shard.
    #[pyo3(signature = (shard, column, key_type, group = None))]
    fn sql_predicate(&self, shard: &str, column: &str, key_type: &str, group: Option<&str>) -> PyResult<String> {
        let key_type = KeyType::from_name(key_type).map_err(error)?;
        let group = self.group(group, None)?;
        let hash = group.hashed().map_err(error)?.hashes().get(key_type);
        let hash =
            hash.ok_or_else(|| error(Error::WrongKeyType { group: group.name.clone(), key_type: key_type.name() }))?;
        let ranges = self.map.ranges(&group.name, shard).map_err(error)?;
        sql::predicate_of_ranges(column, key_type, hash, &ranges).map_err(error)
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.map == other.map
    }

    fn __hash__(&self) -> u64 {
        // Equal maps have equal epochs; two maps with one epoch are rare.
        self.map.epoch()
    }

    fn __repr__(&self) -> String {
        let shards = self.map.shards().len();
        format!("Map(cluster={:?}, epoch={}, shards={shards})", self.map.cluster(), self.map.epoch())
    }
}

/// Shards with weights that a map can hold.
fn weighed(shards: Vec<(String, i64)>) -> PyResult<Vec<(String, u32)>> {
    let weigh = |(name, weight): (String, i64)| {
        let rule = "0 to 4294967295";
        let refused = |_| error(Error::BadNumber { what: "weight", value: weight.into(), rule });
        Ok((name, u32::try_from(weight).map_err(refused)?))
    };
    shards.into_iter().map(weigh).collect()
}

fn hashes_of(names: BTreeMap<String, String>) -> Result<Hashes, Error> {
    let mut hashes = Hashes::default();
    for (key_type, hash) in names {
        hashes.set(KeyType::from_name(&key_type)?, Hash::from_name(&hash)?)?;
    }
    Ok(hashes)
}

/// Group and key column of a table, or nothing for a reference table.
fn place_of(table: &Table) -> Option<(&str, &str)> {
    match table {
        Table::Sharded { group, key } => Some((group, key)),
        Table::Reference => None,
    }
}

/// A NumPy array of int64, if that is what the keys are. While nobody has imported NumPy nothing is one,
/// and asking its C interface would need it to be installed.
fn array_of<'py>(keys: &Bound<'py, PyAny>) -> PyResult<Option<PyReadonlyArray1<'py, i64>>> {
    let modules = keys.py().import("sys")?.getattr("modules")?;
    if !modules.contains("numpy")? {
        return Ok(None);
    }
    Ok(keys.extract().ok())
}

/// Looks up a NumPy array without the GIL; a strided one is copied first.
fn lookup_array<'py>(group: &Group, keys: &PyReadonlyArray1<'py, i64>) -> PyResult<Bound<'py, PyArray1<u16>>> {
    let py = keys.py();
    let copy;
    let slice = if let Ok(slice) = keys.as_slice() {
        slice
    } else {
        copy = keys.as_array().to_vec();
        &copy
    };
    let owners = py.detach(|| {
        let mut owners = vec![0_u16; slice.len()];
        group.owners_of_ints(slice, &mut owners).map(|()| owners)
    });
    Ok(PyArray1::from_vec(py, owners.map_err(error)?))
}

/// Looks up a list of ints, of strs or of uuids; the first key says which.
fn lookup_list(group: &Group, keys: &Bound<'_, PyList>) -> PyResult<Vec<u16>> {
    let Ok(first) = keys.get_item(0) else { return Ok(Vec::new()) };
    if first.is_instance_of::<PyString>() {
        return lookup_texts(group, keys);
    }
    let py = keys.py();
    if convert::uuid_bytes(&first)?.is_some() {
        let uuids = keys.iter().map(|key| {
            convert::uuid_bytes(&key)?.ok_or_else(|| convert::not_a_key("a list of keys holds keys of one type"))
        });
        let uuids = uuids.collect::<PyResult<Vec<_>>>()?;
        let owners =
            py.detach(|| uuids.into_iter().map(|uuid| group.owner_of(Key::Uuid(uuid))).collect::<Result<_, _>>());
        return owners.map_err(error);
    }
    let ints = keys.iter().map(|key| convert::int_of(&key)).collect::<PyResult<Vec<_>>>()?;
    let owners = py.detach(|| {
        let mut owners = vec![0_u16; ints.len()];
        group.owners_of_ints(&ints, &mut owners).map(|()| owners)
    });
    owners.map_err(error)
}

/// Looks up strs: their bytes are copied out first, so that the hashing runs without the GIL while other
/// threads may change the list.
fn lookup_texts(group: &Group, keys: &Bound<'_, PyList>) -> PyResult<Vec<u16>> {
    let mut bytes = String::new();
    let mut ends = Vec::with_capacity(keys.len());
    for key in keys {
        let text = key.cast::<PyString>().map_err(|_| convert::not_a_key("a list of keys holds keys of one type"))?;
        bytes.push_str(convert::text_of(text)?);
        ends.push(bytes.len());
    }
    let owners = keys.py().detach(|| {
        let mut start = 0;
        let owner = |end| {
            let text = &bytes[start..end];
            start = end;
            group.owner_of(Key::Text(text))
        };
        ends.into_iter().map(owner).collect::<Result<_, _>>()
    });
    owners.map_err(error)
}
