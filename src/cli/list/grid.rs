//! Text in columns.

/// How a cell is shown on a terminal (ECMA-48, select graphic rendition).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Paint {
    #[default]
    None,
    Bold,
    Green,
    Yellow,
    Red,
    Cyan,
}

impl Paint {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Bold => Some("1"),
            Self::Green => Some("32"),
            Self::Yellow => Some("33"),
            Self::Red => Some("31"),
            Self::Cyan => Some("36"),
        }
    }
}

/// What stands in one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// Without colour.
    pub(super) fn plain(text: String) -> Self {
        Self::painted(text, Paint::None)
    }

    /// In a colour, where there are any.
    pub(super) fn painted(text: String, paint: Paint) -> Self {
        Self { text, paint }
    }
}

/// Columns with titles, each as wide as the widest that stands in it.
#[derive(Debug)]
pub(super) struct Grid {
    /// Name, and whether it is set to the right.
    titles: Vec<(&'static str, bool)>,
    widths: Vec<usize>,
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// Without rows.
    pub(super) fn new(titles: Vec<(&'static str, bool)>) -> Self {
        Self {
            widths: titles.iter().map(|(title, _)| title.len()).collect(),
            titles,
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells that are missing at its end are empty.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.text.chars().count());
        }
        self.rows.push(cells);
    }

    /// Titles and rows, each with its line's end.
    pub(super) fn text(&self, colour: bool, width: Option<usize>) -> String {
        let titles = self.titles.iter();
        let titles: Vec<Cell> = titles
            .map(|(title, _)| Cell::plain((*title).to_owned()))
            .collect();
        let mut text = self.line(&titles, colour, width);
        text.push_str(&self.lines(colour, width));
        text
    }

    /// The rows, which are forgotten; their widths stay.
    pub(super) fn take_lines(&mut self, colour: bool) -> String {
        let text = self.lines(colour, None);
        self.rows.clear();
        text
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    fn lines(&self, colour: bool, width: Option<usize>) -> String {
        let lines = self.rows.iter().map(|row| self.line(row, colour, width));
        lines.collect()
    }

    fn line(&self, cells: &[Cell], colour: bool, width: Option<usize>) -> String {
        let mut room = width.unwrap_or(usize::MAX);
        let mut line = String::new();
        // Blanks are written when something follows them.
        let mut blanks = 0;
        for (place, cell) in cells.iter().enumerate() {
            let width = self.widths.get(place).copied().unwrap_or(0);
            let is_right = self
                .titles
                .get(place)
                .is_some_and(|(_, is_right)| *is_right);
            let length = cell.text.chars().count();
            let spare = width.saturating_sub(length);
            let (before, after) = if is_right { (spare, 0) } else { (0, spare) };
            blanks += before;
            if length > 0 {
                let gap = blanks.min(room);
                line.extend(std::iter::repeat_n(' ', gap));
                room -= gap;
                blanks = 0;
                let shown: String = cell.text.chars().take(room).collect();
                room -= shown.chars().count();
                match cell.paint.code() {
                    Some(code) if colour && !shown.is_empty() => {
                        line.push_str(&format!("\u{1b}[{code}m{shown}\u{1b}[0m"));
                    }
                    _ => line.push_str(&shown),
                }
            }
            blanks += after + 2;
        }
        line.truncate(line.trim_end_matches(' ').len());
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid = Grid::new(vec![("NAME", false), ("N", true), ("", false)]);
        grid.row(vec![
            Cell::painted("a".to_owned(), Paint::Red),
            Cell::plain("1".to_owned()),
        ]);
        grid.row(vec![
            Cell::plain("längere".to_owned()),
            Cell::plain("100".to_owned()),
            Cell::plain("remark".to_owned()),
        ]);
        grid
    }

    #[test]
    fn columns_are_as_wide_as_their_content() {
        assert_eq!(
            grid().text(false, None),
            "NAME       N\na          1\nlängere  100  remark\n"
        );
    }

    #[test]
    fn colour_takes_no_room_and_lines_are_cut() {
        let lines = "NAME       N\n\u{1b}[31ma\u{1b}[0m          1\nlängere  100  rem\n";
        assert_eq!(grid().text(true, Some(17)), lines);
        assert_eq!(grid().text(false, Some(3)), "NAM\na\nlän\n");
    }

    #[test]
    fn lines_can_be_taken_as_they_come() {
        let mut grid = grid();
        assert_eq!(grid.take_lines(false).lines().count(), 2);
        grid.row(vec![
            Cell::plain("b".to_owned()),
            Cell::plain("2".to_owned()),
        ]);
        assert_eq!(grid.len(), 1);
        assert_eq!(grid.take_lines(false), "b          2\n");
    }
}
