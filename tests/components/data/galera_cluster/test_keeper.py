"""What the keeper answers when it is asked more often than it can find out."""

import time
from concurrent.futures import ThreadPoolExecutor

from pulumi_casebook.data.galera_cluster.programs.api import FRESH, kept


def test_those_who_wait_for_an_answer_share_it() -> None:
    made = []

    def slowly() -> tuple[int, str]:
        made.append(time.monotonic())
        time.sleep(2 * FRESH)
        return 200, f"answer {len(made)}"

    answered = kept(slowly)
    with ThreadPoolExecutor(10) as askers:
        answers = list(askers.map(lambda _: answered(), range(10)))
    # One more, where somebody came when the first was made already.
    assert len(made) <= 2
    assert set(answers) <= {(200, "answer 1"), (200, "answer 2")}
    time.sleep(FRESH)
    assert answered() == (200, f"answer {len(made)}")
    assert made[-1] > made[0], "an old answer is not given twice"
