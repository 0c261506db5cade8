//! `--report`: where reports on a run go.

use super::Exit;
use crate::pipeline::RunReport;
use crate::report::{Collector, Report, Run, html};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The reports that were asked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Reports {
    /// Write a report on the run when it ends: `html=FILE`, one page for a browser, or `json=FILE`. May be given twice.
    #[arg(long, value_name = "FORM=FILE", value_parser = report_to)]
    report: Vec<ReportTo>,
}

/// Where a report goes, and in which form.
#[derive(Debug, Clone)]
enum ReportTo {
    Html(PathBuf),
    Json(PathBuf),
}

fn report_to(text: &str) -> Result<ReportTo, String> {
    match text.split_once('=') {
        Some(("html" | "json", "")) => Err("name a file behind the =".to_owned()),
        Some(("html", file)) => Ok(ReportTo::Html(file.into())),
        Some(("json", file)) => Ok(ReportTo::Json(file.into())),
        _ => Err("write html=FILE or json=FILE".to_owned()),
    }
}

impl ReportTo {
    fn write(&self, report: &Report) -> std::io::Result<()> {
        match self {
            Self::Html(file) => std::fs::write(file, html::page(report)),
            Self::Json(file) => std::fs::write(file, serde_json::to_string_pretty(report)? + "\n"),
        }
    }

    fn file(&self) -> &Path {
        match self {
            Self::Html(file) | Self::Json(file) => file,
        }
    }
}

impl Reports {
    /// Who watches the run, where a report was asked for.
    pub fn collector(&self) -> Option<Arc<Collector>> {
        (!self.report.is_empty()).then(Arc::default)
    }

    /// Writes them. One that cannot be written is spoken of; the exit code says how the run went.
    pub fn write(&self, collector: Option<&Collector>, rules: &str, dry_run: bool, done: &RunReport, exit: Exit) {
        let Some(collector) = collector else { return };
        let run = Run { run_id: &done.run_id, ruleset_version: rules, exit_code: exit.code(), dry_run };
        let report = Report::new(collector, run, done);
        for to in &self.report {
            match to.write(&report) {
                Ok(()) => tracing::info!(file = %to.file().display(), "the report is written"),
                Err(error) => complain!(
                    "error: the report {} cannot be written: check the folder and its permissions: {error}",
                    to.file().display()
                ),
            }
        }
    }
}
