"""The line of `ftc status` for each kind of situation; the expected cells follow from the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftc.api.status import Status, lines
from ftc.cluster.ranks import in_log, trained
from ftc.cluster.snapshot import Snapshot
from ftc.cluster.status import cells, run, snapshots, table
from ftc.diagnostics.columns import width
from unit.cluster.situations import (
    BY_FTC,
    NOW,
    container,
    ended,
    job,
    node,
    object_of,
    pod,
    pod_group,
    said,
    snapshot,
    unscheduled,
    vcjob,
    waiting,
)
from unit.cluster.test_causes import ROWS

if TYPE_CHECKING:
    from ftc.cluster.snapshot import Object

STARTED = {"running": {"startedAt": "2026-05-04T11:50:00Z"}}
OVER = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": "2026-05-04T11:50:00Z"}}
TURN = {"waiting": {"reason": "PodInitializing"}}
READY = {"type": "Ready", "status": "True"}
UNREADY = {"type": "Ready", "status": "False"}
# What tqdm writes without a terminal: no line ends before the trainer logs its loss.
BAR = "\r 28%|██▊       | 340/1200 [12:03<30:29,  2.13s/it]"
LOSS = "{'loss': '1.39', 'grad_norm': '0.79', 'learning_rate': '9.6e-05', 'epoch': '0.85'}"
TRAINING = f"ftc: train: started on node 0\n\r                \r{LOSS}\n{BAR}"


def running(number: int = 0, of: Object | None = None, *more: Object, init: Object = OVER) -> Object:
    """A pod whose training runs; `more` are the states of its containers."""
    states = more or (container("train", STARTED),)
    fetched = [container("fetch-model", init)]
    return pod(
        number,
        of,
        phase="Running",
        node=f"gpu-{number}",
        conditions=[READY],
        initContainerStatuses=fetched,
        containerStatuses=list(states),
    )


def fetching(number: int, of: Object | None = None) -> Object:
    """A pod whose model is being downloaded."""
    init = [container("fetch-model", STARTED), container("fetch-dataset", TURN)]
    status = {"initContainerStatuses": init, "containerStatuses": [container("train", TURN)]}
    return pod(number, of, node="a", conditions=[UNREADY], **status)


def of_index(number: int, of: Object, made: str = "2026-05-04T11:40:00Z", **fields: Any) -> Object:
    """A pod of an Indexed Job, whose name ends in random letters."""
    labels = {"batch.kubernetes.io/job-completion-index": str(number)}
    one = pod(number, of, **fields)
    about = {"name": f"sft-{number}-x{made[14:16]}", "labels": labels, "creationTimestamp": made}
    return one | {"metadata": one["metadata"] | about}


RUNS = vcjob("Running")
DONE = job([said("Complete", "True", "CompletionsReached", "")], parallelism=2, completions=2)
GIVEN_UP = job([said("Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")])
LATE = job([said("Failed", "True", "DeadlineExceeded", "Job was active longer than specified deadline")])
CRASHES = container(
    "train", {"waiting": {"reason": "CrashLoopBackOff"}}, {"terminated": {"exitCode": 1, "reason": "Error"}}
)
LOST = running(1) | {
    "status": running(1)["status"]
    | {"conditions": [UNREADY, {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}]}
}
JOB_SET = object_of(
    "JobSet",
    "sft",
    "jobset.x-k8s.io/v1alpha2",
    metadata={"labels": BY_FTC | {"kueue.x-k8s.io/queue-name": "team-a"}},
    spec={"replicatedJobs": [{"name": "node", "replicas": 2, "template": {"spec": {"parallelism": 2}}}]},
)
TRAIN_JOB = object_of("TrainJob", "sft", "trainer.kubeflow.org/v1alpha1", spec={"trainer": {"numNodes": 2}})
IN_SET = {"jobset.sigs.k8s.io/jobset-name": "sft", "jobset.sigs.k8s.io/replicatedjob-name": "node"}
GANG_NOTE = {"metadata": {"annotations": {"scheduling.volcano.sh/queue-name": "research"}}}

# The situation, and its cells: phase, nodes, step, age, queue.
LINES: dict[str, tuple[Snapshot, str]] = {
    "both pods train": (
        snapshot(RUNS, running(0), running(1), pod_group("Running"), logs={"sft-0.train": TRAINING}),
        "running 2/2 train 340/1200 30m default",
    ),
    "a trainer without a progress bar": (
        snapshot(RUNS, running(0), running(1), logs={"sft-0.train": f"ftc: train: started on node 0\n{LOSS}\n"}),
        "running 2/2 train epoch 0.85 30m default",
    ),
    "a training that has not logged yet": (
        snapshot(RUNS, running(0), running(1), logs={"sft-0.train": "ftc: train: started on node 0\n"}),
        "running 2/2 train 30m default",
    ),
    "the model is downloaded": (
        snapshot(vcjob("Pending"), fetching(0), fetching(1)),
        "pending 0/2 fetch model 30m default",
    ),
    "the adapter is merged": (
        snapshot(
            RUNS,
            running(0),
            running(1),
            logs={"sft-0.train": f"{TRAINING}\nftc: train: done on node 0\nftc: merge: started on node 0\n"},
        ),
        "running 2/2 merge 30m default",
    ),
    "the result is published while the training has ended": (
        snapshot(
            RUNS,
            running(0, None, container("train", OVER), container("publish", STARTED)),
            pod(1, phase="Succeeded", node="b"),
        ),
        "running 2/2 push 30m default",
    ),
    "the training runs, and its publishing waits for it": (
        snapshot(
            RUNS,
            running(0, None, container("publish", STARTED), container("train", STARTED)),
            running(1),
            logs={"sft-0.train": TRAINING},
        ),
        "running 2/2 train 340/1200 30m default",
    ),
    "completed": (
        snapshot(vcjob("Completed"), pod(0, phase="Succeeded"), pod(1, phase="Succeeded")),
        "completed 2/2 done 30m default",
    ),
    "a batch Job that completed": (
        snapshot(DONE, of_index(0, DONE, phase="Succeeded"), of_index(1, DONE, phase="Succeeded")),
        "completed 2/2 done 30m -",
    ),
    "no pods: the queue holds the gang back": (
        snapshot(vcjob("Pending"), pod_group("Pending")),
        "pending 0/2 - 30m default",
    ),
    "no node has room": (
        snapshot(vcjob("Pending", 1), unscheduled("0/1 nodes are unavailable: 1 Insufficient nvidia.com/gpu.")),
        "pending 0/1 - 30m default",
    ),
    "the image does not exist": (
        snapshot(vcjob("Pending", 1), pod(node="a", **waiting("ImagePullBackOff"))),
        "pending 0/1 - 30m default",
    ),
    "a missing ConfigMap: the containers wait for their turn": (
        snapshot(job(), pod(of=job(), node="a", **waiting("PodInitializing"))),
        "pending 0/1 - 30m -",
    ),
    "one pod of a batch Job runs, the other one waits": (
        snapshot(
            one := job(parallelism=2, completions=2),
            running(0, one),
            unscheduled("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.", 1, one),
            logs={"sft-0.train": "ftc: train: started on node 0\n"},
        ),
        "pending 1/2 train 30m -",
    ),
    "a batch Job as a gang of Volcano": (
        snapshot(job(parallelism=2, completions=2, template=GANG_NOTE)),
        "pending 0/2 - 30m research",
    ),
    "suspended by a person": (snapshot(job(suspend=True)), "suspended 0/1 - 30m -"),
    "held back by Kueue": (
        snapshot(job(suspend=True, labels={"kueue.x-k8s.io/queue-name": "team-a"})),
        "queued 0/1 - 30m team-a",
    ),
    "refused pods": (snapshot(job()), "pending 0/1 - 30m -"),
    "the device ran out of memory": (
        snapshot(
            vcjob("Failed", 1),
            pod(node="a", **ended(1)),
            logs={
                "sft-0.train": f"{TRAINING}\nftc: error: train ended with status 1 on node 0: the lines above say why"
            },
        ),
        "failed 0/1 train 340/1200 30m default",
    ),
    "the hub refuses the model": (
        snapshot(vcjob("Failed"), pod(0, node="a", **ended(1, name="fetch-model"))),
        "failed 0/2 fetch model 30m default",
    ),
    "three attempts of a batch Job have failed": (
        snapshot(GIVEN_UP, *(pod(number, GIVEN_UP, node="a", **ended(1)) for number in range(3))),
        "failed 0/1 train 30m -",
    ),
    "the time limit has ended the Job, and its pods are gone": (snapshot(LATE), "failed 0/1 - 30m -"),
    "a container that crashes again and again": (
        snapshot(job(), pod(of=job(), phase="Running", node="a", conditions=[UNREADY], containerStatuses=[CRASHES])),
        "restarting 0/1 train 30m -",
    ),
    "an attempt that failed and one that runs": (
        snapshot(
            one := job(parallelism=2, completions=2),
            of_index(0, one, "2026-05-04T11:41:00Z", node="a", **ended(1)),
            of_index(
                0,
                one,
                "2026-05-04T11:45:00Z",
                phase="Running",
                conditions=[READY],
                containerStatuses=[container("train", STARTED)],
            ),
            of_index(1, one, "2026-05-04T11:41:00Z", phase="Running", conditions=[READY]),
        ),
        "running 2/2 train 30m -",
    ),
    "the node of rank 1 is lost": (
        snapshot(RUNS, running(0), LOST, node("gpu-0"), node("gpu-1", ready="Unknown"), logs={"sft-0.train": TRAINING}),
        "running 1/2 train 340/1200 30m default",
    ),
    "Volcano restarts the job": (snapshot(vcjob("Restarting")), "restarting 0/2 - 30m default"),
    "stopped by a person": (snapshot(vcjob("Aborted")), "aborted 0/2 - 30m default"),
    "being deleted": (
        snapshot(RUNS | {"metadata": RUNS["metadata"] | {"deletionTimestamp": "2026-05-04T11:59:00Z"}}),
        "deleting 0/2 - 30m default",
    ),
    "a JobSet of four pods in a queue of Kueue": (
        snapshot(JOB_SET, running(0, JOB_SET), running(1, JOB_SET), logs={"sft-0.train": TRAINING}),
        "running 2/4 train 340/1200 30m team-a",
    ),
    "a TrainJob, whose pods a JobSet owns": (
        snapshot(
            TRAIN_JOB,
            *(
                running(number, JOB_SET)
                | {
                    "metadata": running(number, JOB_SET)["metadata"]
                    | {"labels": IN_SET | {"batch.kubernetes.io/job-completion-index": str(number)}}
                }
                for number in range(2)
            ),
            logs={"sft-0.train": TRAINING},
        ),
        "running 2/2 train 340/1200 30m -",
    ),
}


@pytest.mark.parametrize(("situation", "line"), LINES.values(), ids=LINES)
def test_the_line_of_a_situation(situation: Snapshot, line: str) -> None:
    name, *others = cells(run(situation))
    assert (name, " ".join(others)) == ("sft", line)


@pytest.mark.parametrize(
    ("created", "age"),
    [
        ("2026-05-04T11:59:15Z", "45s"),
        ("2026-05-04T11:57:00Z", "3m"),
        ("2026-05-04T08:00:00Z", "4h"),
        ("2026-05-01T12:00:00Z", "3d"),
        ("2026-05-04T12:00:30Z", "0s"),  # the clocks differ
        ("soon", "0s"),
    ],
)
def test_the_age_of_a_run(created: str, age: str) -> None:
    one = job() | {"metadata": {"name": "sft", "creationTimestamp": created}}
    assert run(snapshot(one)).age == age


@pytest.mark.parametrize(
    ("log", "progress"),
    [
        (BAR, "340/1200"),
        ("  0%|          | 0/1200 [00:00<?, ?it/s]", "0/1200"),
        # A line of another program follows without a line end.
        (f"{BAR}ftc: asked 1 processes to stop\n", "340/1200"),
        # An evaluation has its bar below that of the training.
        (f"{BAR}\n\r  7%|7         | 1/14 [00:01<00:13,  1.01s/it]\x1b[A", "340/1200"),
        # Bars with words are those of the tokenizer and of the weights.
        (
            "Running tokenizer on dataset (num_proc=16):  61%|██████    | 31800/52002 [00:41<00:26, 762.11 examples/s]",
            "",
        ),
        ("\rLoading weights: 100%|██████████| 25/25 [00:00<00:00, 22405.47it/s]\n", ""),
        (f"{LOSS}\n", "epoch 0.85"),
        ("the loss is 12% | 3/4 [x]", ""),
    ],
)
def test_the_progress_in_a_log(log: str, progress: str) -> None:
    assert trained(log) == progress


def test_a_log_that_has_lost_its_beginning_is_of_the_training() -> None:
    assert str(in_log("train", BAR)) == "train 340/1200"


def test_a_run_that_another_one_owns_has_no_line() -> None:
    inner = job() | {"metadata": {"name": "sft-node-0", "uid": "j", "ownerReferences": [{"uid": "JobSet-sft"}]}}
    assert [one.name for one in snapshots("team", [inner, JOB_SET], [])] == ["sft"]


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_the_terminal(columns: int) -> None:
    names = ("qwen3-0-6b-lora-sft-" + "long-" * 8 + "x7k2p", "a")
    runs = [run(Snapshot("team", name, NOW, (vcjob() | {"metadata": {"name": name}},))) for name in names]
    lines = table(runs, columns)
    assert max(map(width, lines)) <= columns
    assert len(lines) == 3
    assert lines[1].split()[0].endswith("x7k2p")
    assert table(runs)[1].startswith(names[0])


@pytest.mark.parametrize("row", ROWS, ids=[f"{i}-{row[0]}" for i, row in enumerate(ROWS)])
def test_no_situation_with_a_cause_is_shown_as_well(row: tuple[str, Snapshot, str, str]) -> None:
    situation = row[1]
    if situation.workload is not None:
        shown = run(situation)
        assert shown.phase != "completed"
        assert shown.nodes_ready < shown.nodes or shown.phase == "failed"


def test_names_of_the_cluster_do_not_reach_the_terminal() -> None:
    hostile = vcjob(queue="q\x1b[2J\n::error::x") | {"metadata": {"name": "sft", "creationTimestamp": 3}}
    assert all(line.isprintable() for line in table([run(snapshot(hostile))]))


VERDICT = (
    "chat template: differs from the training in 2 of 64 rows: row 0 has 'a' in the training and 'b' in the result"
)


NUMBERS = "evaluation: bleu-4 61.2, rouge-1 70.04, rouge-2 55.5, rouge-l 68.91 in 50 rows"


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        (VERDICT, VERDICT),
        (f"{VERDICT}\nmore", VERDICT),
        (f"{VERDICT}\n{NUMBERS}\n", VERDICT),
        ("chat template: \x1b[2Jequal", "chat template: equal"),
        ("something else", ""),
        (f"{NUMBERS}\n{VERDICT}", VERDICT),
        (NUMBERS, ""),
        (None, ""),
    ],
)
def test_the_verdict_on_the_chat_template_comes_from_the_container_that_trained(
    message: str | None, verdict: str
) -> None:
    over = {"terminated": OVER["terminated"] | ({"message": message} if message else {})}
    published = container("publish", {"terminated": {"exitCode": 0, "message": "chat template: of another container"}})
    found = run(snapshot(vcjob("Completed"), running(0, None, container("train", over), published), running(1)))
    assert found.verdict == verdict
    evaluation = NUMBERS if NUMBERS in (message or "") else ""
    assert found.evaluation == evaluation
    assert lines(Status((found,)))[2:] == [f"sft: {line}" for line in (verdict, evaluation) if line]
