//! Rows into a table, several with one statement: to begin a statement and to be able to take it back costs SQLite as much as some rows.

use rusqlite::{CachedStatement, Connection, Result as Sqlite, ToSql};

/// So many rows are written with one statement, and what is left one by one.
const TOGETHER: usize = 8;

/// The statements that write rows of one table.
///
/// REPLACE and not IGNORE: a repeated commit writes the same bytes again, and a row that another program put under one of our ids
/// does not cost us the event.
pub(in crate::store) struct Table {
    pub(in crate::store) one: &'static str,
    pub(in crate::store) several: &'static str,
}

/// Table and columns, and a row of as many question marks.
macro_rules! table {
    ($into:literal, $row:literal) => {
        $crate::store::batch::insert::Table {
            one: concat!("INSERT OR REPLACE INTO ", $into, " VALUES ", $row),
            several: concat!(
                "INSERT OR REPLACE INTO ",
                $into,
                " VALUES ",
                $crate::store::batch::insert::table!(8 $row)
            ),
        }
    };
    (8 $row:literal) => {
        concat!($row, ",", $row, ",", $row, ",", $row, ",", $row, ",", $row, ",", $row, ",", $row)
    };
}
pub(in crate::store) use table;

/// Takes the values of a row, in the order of the columns.
pub(in crate::store) type Write<'a> = &'a mut dyn FnMut(&[&dyn ToSql]) -> Sqlite<()>;

/// Writes a row for each item.
pub(in crate::store) fn write_rows<Item>(
    connection: &Connection,
    table: &Table,
    items: &[Item],
    values: impl Fn(&Item, Write<'_>) -> Sqlite<()>,
) -> Sqlite<()> {
    let (together, left) = items.as_chunks::<TOGETHER>();
    each(connection, table.several, together, |statement, group| write(statement, group, &values))?;
    each(connection, table.one, left, |statement, item| write(statement, std::slice::from_ref(item), &values))
}

/// As many items as the statement has rows.
fn write<Item>(
    statement: &mut CachedStatement<'_>,
    items: &[Item],
    values: &impl Fn(&Item, Write<'_>) -> Sqlite<()>,
) -> Sqlite<usize> {
    let mut place = 0;
    for item in items {
        values(item, &mut |row| {
            row.iter().try_for_each(|value| {
                place += 1;
                statement.raw_bind_parameter(place, value)
            })
        })?;
    }
    statement.raw_execute()
}

/// Runs a statement for each item; it is kept prepared for the next commit.
pub(super) fn each<Item>(
    connection: &Connection,
    sql: &str,
    items: impl IntoIterator<Item = Item>,
    mut run: impl FnMut(&mut CachedStatement<'_>, Item) -> Sqlite<usize>,
) -> Sqlite<()> {
    let mut items = items.into_iter().peekable();
    if items.peek().is_none() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(sql)?;
    items.try_for_each(|item| run(&mut statement, item).map(drop))
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;

    const NUMBERS: Table = table!("numbers (id, name)", "(?, ?)");

    #[test]
    fn as_many_rows_are_written_as_there_are_and_what_another_put_there_is_replaced() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE numbers (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").unwrap();
        for count in [0, 1, TOGETHER - 1, TOGETHER, TOGETHER + 1, 3 * TOGETHER + 2] {
            connection.execute_batch("DELETE FROM numbers; INSERT INTO numbers VALUES (0, 'x'), (8, 'x')").unwrap();
            let items: Vec<usize> = (0..count).collect();
            let write = |item: &usize, write: Write<'_>| write(params![*item as i64, item.to_string()]);
            for _ in 0..2 {
                write_rows(&connection, &NUMBERS, &items, write).unwrap();
            }
            let mut found = connection.prepare("SELECT id, name FROM numbers WHERE name <> 'x' ORDER BY id").unwrap();
            let rows = found.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).unwrap();
            let expected: Vec<_> = (0..count as i64).map(|number| (number, number.to_string())).collect();
            assert_eq!(rows.collect::<Sqlite<Vec<_>>>().unwrap(), expected, "{count}");
        }
    }

    #[test]
    fn a_row_that_its_table_does_not_take_is_an_error() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE numbers (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").unwrap();
        let write = |item: &Option<&str>, write: Write<'_>| write(params![1, *item]);
        for items in [&[None][..], &[Some("a"), Some("a"), Some("a"), Some("a"), Some("a"), Some("a"), Some("a"), None]]
        {
            assert!(write_rows(&connection, &NUMBERS, items, write).is_err());
        }
    }
}
