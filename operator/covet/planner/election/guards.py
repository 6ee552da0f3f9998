"""The safeguards of the core as switches, so that tests can show what each of them prevents.

Everything is on, always. Only the model check and the simulation turn one off, and then they
must find a violation; the agent never builds this with an argument.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Guards:
    """One switch for each safeguard that a term, a promise or a rule rests on.

    The core reads all but four. What `fence_answers` and `lineage` are about is done by the executor of `Fence`
    and `Follow`, so the model and the simulated executor read those. `own_term` and `change_order` follow from
    how `recruiting.refusal` and `changing` are written, with no branch to leave out, so the model takes the
    wrong step in their stead.

    Args:
        durable_promise: a promise is on disk before anything that depends on it.
        fence_answers: a follower stopped receiving before it answers a recruiter.
        stop_answers: a leader asked to be recruited stopped and reaped before it answers.
        handed_term: a member takes a hand-over of the term it promised, and of no other.
        led_mark: "led t" is on disk before a promotion, and no term is led twice.
        own_term: a term that was promised once is never used again by another candidate.
        row_opens: a leader serves only after its own rule row was confirmed by W followers.
        lease_wait: a new leader waits for the end of the old one's read lease.
        start_grace: a member that started a moment ago is not recruited: it forgot its echoes.
        lineage: a member off the leader's lineage does not stream.
        rewind_late: diverged members rewind only from a leader past its row, or with its leave.
        change_after_row: the cohort changes only after the term's own row, one change at a time.
        change_order: row and setting change in the order of I6.
        learner_votes: only members that the newest rule names count.
        rewinding_mark: a member amid a rewind does not vote.
        newest_rule: the quorum follows the newest rule that any recruit confirmed.
        position: the most advanced recruit leads.
    """

    durable_promise: bool = True
    fence_answers: bool = True
    stop_answers: bool = True
    handed_term: bool = True
    led_mark: bool = True
    own_term: bool = True
    row_opens: bool = True
    lease_wait: bool = True
    start_grace: bool = True
    lineage: bool = True
    rewind_late: bool = True
    change_after_row: bool = True
    change_order: bool = True
    learner_votes: bool = True
    rewinding_mark: bool = True
    newest_rule: bool = True
    position: bool = True


ALL = Guards()
