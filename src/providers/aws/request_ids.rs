//! The request ids of the calls that write, by which the API's own logs know them.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use aws_types::request_id::RequestId;

use crate::model::cloud::Watch;

tokio::task_local! {
    static WRITTEN: Arc<Mutex<Vec<String>>>;
}

/// Tells the watcher when it goes: also if the work is given up half-way.
struct Teller<'w> {
    watch: &'w dyn Watch,
    written: Arc<Mutex<Vec<String>>>,
}

impl Drop for Teller<'_> {
    fn drop(&mut self) {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.iter().for_each(|id| self.watch.called(id));
    }
}

/// Does some work, and tells the watcher the request ids of its calls that write.
pub(super) async fn told<T>(watch: &dyn Watch, work: impl Future<Output = T>) -> T {
    let written = Arc::<Mutex<Vec<String>>>::default();
    let teller = Teller { watch, written: Arc::clone(&written) };
    let outcome = WRITTEN.scope(written, work).await;
    drop(teller);
    outcome
}

/// Notes the request id of an answer, if the operation (`service:Operation`) writes.
pub(super) fn note(operation: &str, answer: &impl RequestId) {
    let Some(id) = answer.request_id().filter(|_| writes(operation)) else { return };
    // Outside of `told` nobody wants to know.
    let _ = WRITTEN.try_with(|written| {
        written.lock().unwrap_or_else(PoisonError::into_inner).push(id.to_owned());
    });
}

fn writes(operation: &str) -> bool {
    let name = operation.split_once(':').map_or(operation, |(_, name)| name);
    !["Describe", "List", "Get", "Lookup", "Search", "Simulate"].iter().any(|reads| name.starts_with(reads))
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl Watch for Told {
        fn waiting(&self, _: &str) {}
        fn called(&self, request_id: &str) {
            self.0.lock().unwrap().push(request_id.to_owned());
        }
    }

    fn answer(id: &str) -> ErrorMetadata {
        ErrorMetadata::builder().custom("aws_request_id", id).build()
    }

    #[tokio::test]
    async fn ids_of_writing_calls_are_told_in_order_also_when_the_work_is_given_up() {
        let watch = Told::default();
        let work = async {
            note("ec2:CreateVpc", &answer("r-1"));
            note("ec2:DescribeVpcs", &answer("r-2"));
            note("ec2:ModifyVpcAttribute", &answer("r-3"));
            std::future::pending::<()>().await;
        };
        let given_up = tokio::time::timeout(std::time::Duration::from_millis(20), told(&watch, work)).await;
        assert!(given_up.is_err());
        assert_eq!(*watch.0.lock().unwrap(), ["r-1", "r-3"]);
        note("ec2:CreateVpc", &answer("nobody asks"));
    }
}
