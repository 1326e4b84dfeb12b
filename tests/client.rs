//! Our client against the service's side of the contract: every typed call, once.

use qcops::api::CallOutcome;
use qcops::model::{AgentId, TaskId};
use qcops::observed::{Completeness, Status};
use qcops::resource::{Edit, Object};

use crate::support::world::World;

/// Takes what was done, and shows what happened instead.
fn done<T: std::fmt::Debug>(answer: CallOutcome<T>) -> T {
    match answer {
        CallOutcome::Done(value) => value,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_is_made_listed_read_renamed_and_deleted() {
    let client = World::new("").client();
    done(client.authenticate().await);
    assert!(done(client.list_agents().await).items.iter().any(|agent| agent.id == AgentId(47)));
    let task = Object::task("SPY", 47, "project-for-task", "Buy SPY");
    let id = done(client.create_task(&task).await).id;
    let listed = done(client.list_tasks().await);
    assert_eq!(listed.coverage, Completeness::Complete);
    assert_eq!(listed.items.iter().map(|task| task.id).collect::<Vec<_>>(), [id]);
    assert_eq!(done(client.read_task(id).await).object, task);
    done(client.update_task(id, &[Edit::name("Buy and hold")]).await);
    assert_eq!(done(client.read_task(id).await).name(), Some("Buy and hold"));
    done(client.delete_task(id).await);
    assert!(matches!(client.read_task(id).await, CallOutcome::Refused(_)));
    assert!(matches!(client.delete_task(TaskId(9999)).await, CallOutcome::Refused(_)));
}

#[tokio::test(start_paused = true)]
async fn a_run_is_started_followed_prompted_stopped_and_deleted() {
    let world = World::new("");
    let client = world.client();
    let task = Object::task("SPY", 47, "project-for-task", "Buy SPY");
    let task = done(client.create_task(&task).await).id;
    let run = done(client.create_deployment(task).await).id;
    let listed = done(client.list_deployments(task).await);
    assert_eq!(listed.items[0].prompt.as_deref(), Some("Buy SPY"));
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    assert_eq!(done(client.read_deployment(&run).await).status, Status::Completed);
    done(client.prompt_deployment(&run, "Now QQQ").await);
    assert_eq!(done(client.read_deployment(&run).await).status, Status::Running);
    done(client.stop_deployment(&run).await);
    assert_eq!(done(client.read_deployment(&run).await).status, Status::Stopped);
    done(client.delete_deployment(&run).await);
    assert!(done(client.list_deployments(task).await).items.is_empty());
}
