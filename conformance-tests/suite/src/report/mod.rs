//! The reports: each made from a [`Run`](crate::Run), and none knows anything that `run.json` does not say.

mod html;
mod junit;
mod oscal;
mod picture;
mod plot;
mod side_by_side;
mod statement;

pub use html::{Language, html};
pub use junit::junit;
pub use oscal::assessment_results;
pub use side_by_side::comparison_html;
pub use statement::test_result;
