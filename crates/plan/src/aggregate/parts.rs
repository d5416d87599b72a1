//! Parts of dates and datetimes, to group by: `created_at.month`. All are in UTC.

use spec::Dialect;
use spec::types::{ColumnType, FieldType};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    // These cut off what is finer: a place in time, in ISO 8601 where there is a form of it.
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    // These come round again.
    MonthOfYear,
    Weekday,
    HourOfDay,
}

/// Every part, by its name.
pub const PARTS: &[(&str, Part)] = &[
    ("year", Part::Year),
    ("quarter", Part::Quarter),
    ("month", Part::Month),
    ("week", Part::Week),
    ("day", Part::Day),
    ("hour", Part::Hour),
    ("month_of_year", Part::MonthOfYear),
    ("weekday", Part::Weekday),
    ("hour_of_day", Part::HourOfDay),
];

impl Part {
    pub fn named(name: &str) -> Option<Part> {
        PARTS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, part)| *part)
    }

    /// Whether a date has it.
    pub fn of_date(self) -> bool {
        !matches!(self, Part::Hour | Part::HourOfDay)
    }

    pub fn ty(self) -> FieldType {
        match self {
            Part::Quarter | Part::Month | Part::Week => super::TEXT,
            Part::Day => FieldType::Date,
            Part::Hour => FieldType::Datetime,
            Part::Year | Part::MonthOfYear | Part::Weekday | Part::HourOfDay => super::INT,
        }
    }

    /// What is shown of a moment, and what is grouped by: on PostgreSQL text is made of each group, not of each record.
    pub fn sql(self, dialect: Dialect, column: ColumnType, moment: &str) -> (String, String) {
        let one = |text: String| (text.clone(), text);
        match dialect {
            Dialect::Sqlite => one(self.sqlite(column, moment)),
            Dialect::Postgres => self.postgres(column, moment),
        }
    }

    fn sqlite(self, column: ColumnType, moment: &str) -> String {
        let is_date = column == ColumnType::Date;
        let time = if is_date {
            moment.to_owned()
        } else {
            // Whole seconds, rounded down: division cuts towards zero, which is up before 1970.
            format!("({moment} / 1000000 - ({moment} % 1000000 < 0)), 'unixepoch'")
        };
        let shown = |form: &str| format!("strftime('{form}', {time})");
        let number = |form: &str| format!("CAST({} AS INTEGER)", shown(form));
        match self {
            Part::Year => number("%Y"),
            Part::Quarter => format!("({} || (({} + 2) / 3))", shown("%Y-Q"), number("%m")),
            Part::Month => shown("%Y-%m"),
            Part::Week => shown("%G-W%V"),
            Part::Day if is_date => moment.to_owned(),
            Part::Day => shown("%Y-%m-%d"),
            Part::Hour => format!("({moment} - ({moment} % 3600000000 + 3600000000) % 3600000000)"),
            Part::MonthOfYear => number("%m"),
            Part::Weekday => number("%u"),
            Part::HourOfDay => number("%H"),
        }
    }

    fn postgres(self, column: ColumnType, moment: &str) -> (String, String) {
        let time = match column {
            ColumnType::Date => format!("({moment})::timestamp"),
            _ => format!("({moment} AT TIME ZONE 'UTC')"),
        };
        let one = |text: String| (text.clone(), text);
        let number = |field: &str| one(format!("extract({field} FROM {time})::bigint"));
        let text = |unit: &str, form: &str| {
            let start = format!("date_trunc('{unit}', {time})");
            (format!("(to_char({start}, '{form}') COLLATE \"C\")"), start)
        };
        match self {
            Part::Year => number("year"),
            Part::Quarter => text("quarter", "YYYY-\"Q\"Q"),
            Part::Month => text("month", "YYYY-MM"),
            Part::Week => text("week", "IYYY-\"W\"IW"),
            Part::Day if column == ColumnType::Date => one(moment.to_owned()),
            Part::Day => one(format!("{time}::date")),
            Part::Hour => one(format!("(date_trunc('hour', {time}) AT TIME ZONE 'UTC')")),
            Part::MonthOfYear => number("month"),
            Part::Weekday => number("isodow"),
            Part::HourOfDay => number("hour"),
        }
    }
}
