//! The reports: each made from a [`Run`](crate::Run), and none knows anything that `run.json` does not say.

mod html;
mod junit;
mod oscal;
mod page;
mod picture;
mod plot;
mod register;
mod side_by_side;
mod statement;
pub(crate) mod words;

pub use html::html;
pub use junit::junit;
pub use oscal::assessment_results;
pub use page::Language;
pub use register::{notice_html, register_html};
pub use side_by_side::comparison_html;
pub use statement::test_result;
