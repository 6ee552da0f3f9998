//! The templates of COPY and EXPLAIN.

use super::analyse::Analysis;
use super::ast::{Copy, Statement};
use super::catalog::{Place, Resolved};
use super::refusal::{Feature, Refusal};
use super::strings;
use super::template::{CopyRows, Keyed, Kind, Plan, Rows, Template};

impl Analysis<'_> {
    pub fn copy(&self, copy: &Copy, template: &mut Template) -> Result<Plan, Refusal> {
        let (table, place) = match self.resolve(&copy.table, template)? {
            Resolved::System if copy.from => return Err(Refusal::new(Feature::SystemWrite, copy.table.to_string())),
            Resolved::System => return Ok(Plan::Any),
            Resolved::Table(table) => (table, table.place.as_ref().map_err(Clone::clone)?),
        };
        let column = match (place, copy.from) {
            (Place::Reference, false) => return Ok(Plan::Any),
            (Place::Reference, true) => return Err(Refusal::new(Feature::ReferenceCopy, table.full_name())),
            (Place::Sharded(_), false) => return Err(Refusal::new(Feature::CopyShape, "COPY TO of a sharded table")),
            (Place::Sharded(column), true) => column,
        };
        template.group = Some(column.group.clone());
        if copy.format.csv {
            return Err(Refusal::new(Feature::CopyShape, "CSV"));
        }
        let (position, columns) = match &copy.columns {
            Some(columns) => (columns.iter().position(|name| *name == column.name), columns.len()),
            None => (table.column(&column.name), table.row.columns.len()),
        };
        let position = position.ok_or_else(|| Refusal::new(Feature::InsertWithoutKey, column.name.clone()))?;
        let delimiter = self.option(copy.format.delimiter)?.unwrap_or_else(|| "\t".to_owned());
        let null = self.option(copy.format.null)?.unwrap_or_else(|| "\\N".to_owned());
        match delimiter.as_bytes() {
            [delimiter] if !b"\\.abcdefghijklmnopqrstuvwxyz0123456789\r\n".contains(delimiter) => {
                let (delimiter, header) = (*delimiter, copy.format.header);
                Ok(Plan::CopyRows(CopyRows { column: column.clone(), position, columns, delimiter, null, header }))
            }
            _ => Err(Refusal::new(Feature::CopyShape, format!("delimiter {delimiter:?}"))),
        }
    }

    fn option(&self, ordinal: Option<usize>) -> Result<Option<String>, Refusal> {
        let literal = ordinal.and_then(|ordinal| self.values.literals.get(ordinal));
        literal
            .map(|literal| strings::text_of(self.values.text, *literal).map(std::borrow::Cow::into_owned))
            .transpose()
    }

    pub fn explain(&self, covet: bool, inner: &Statement, template: &mut Template) -> Result<Plan, Refusal> {
        if covet {
            let mut explained = Template { plan: Ok(Plan::Any), ..template.clone() };
            explained.plan = self.plan(inner, &mut explained);
            template.kind = Kind::Explain;
            return Ok(Plan::ExplainCovet(Box::new(explained)));
        }
        let plan = self.plan(inner, template);
        let spread = Err(Refusal::from(Feature::SpreadExplain));
        let runs = matches!(template.kind, Kind::Read | Kind::Write);
        template.kind = Kind::Explain;
        match plan? {
            Plan::Keyed(keyed) => Ok(Plan::Keyed(Keyed { spread, ..keyed })),
            Plan::Rows(rows) => Ok(Plan::Rows(Rows { split: spread, ..rows })),
            Plan::Any if runs => Ok(Plan::Any),
            _ => Err(Feature::SpreadExplain.into()),
        }
    }
}
