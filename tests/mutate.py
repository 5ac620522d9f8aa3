"""One-line breaks of every room, each of which the suite must notice: python -m tests.mutate [FILE or NAME ...]."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
JUDGES = [
    "tests/identities/test_reference.py",
    "tests/identities/test_pure_step.py",
    "tests/identities/test_closed_form.py",
    "tests/identities/test_T12_resume.py",
    "tests/contracts/test_record.py",
]
HANGS = (
    600  # seconds for a break's tests, which take 3 to 30: before pytest's own watch over the test that draws breaks
)


class Break(NamedTuple):
    """What goes wrong, in which file, the line before and after, and who must notice."""

    name: str
    file: str
    before: str
    after: str
    by: str = ""  # the tests that must notice; "": JUDGES


BREAKS = [
    Break("the sign of z'", "law/move.py", "-c.tau * c.s\n    if z is None", "c.tau * c.s\n    if z is None"),
    Break("z without its own dissipation", "law/move.py", "1 - c.tau * c.eta_z", "1 - c.tau * c.eta"),
    Break("z without dissipation", "law/move.py", "1 - c.tau * c.eta_z", "1.0"),
    Break("τ missing in z", "law/move.py", "-c.tau * c.s\n    if z is None", "-c.s\n    if z is None"),
    Break("τ missing in h", "law/arrays.py", "x + tau * v[name]", "x + v[name]"),
    Break("the loss where h was", "law/sequential.py", "at = f.read(after, sample.target)", "at = f.read(f.h, sample.target)"),
    Break("the old z in ω", "law/sequential.py", "z = costate(z, added(f.to_state(z), dh), after, c)\n",
          "z, z_old = costate(z, added(f.to_state(z), dh), after, c), z\n    f.to_weights = lambda _, w=f.to_weights: w(z_old)\n"),
    Break("the loss's share of z' forgotten", "law/sequential.py", "added(f.to_state(z), dh)", "f.to_state(z)"),
    Break("the flow's share of z' forgotten", "law/sequential.py", "added(f.to_state(z), dh)", "dh"),
    Break("the flow's share of ω forgotten", "law/sequential.py", "added_slopes(f.to_weights(z), dtheta)", "dtheta"),
    Break("Euler's loss at the moved state", "law/euler.py", "f.read(f.h, sample.target)", "f.read(after, sample.target)"),
    Break("Euler without the flow's share", "law/euler.py", "f.derivative(at, c.phi, z)", "at.pull(c.phi)"),
    Break("φ forgotten in Euler", "law/euler.py", "f.derivative(at, c.phi, z)", "f.derivative(at, 1.0, z)"),
    Break("φ forgotten in sequential order", "law/sequential.py", "at.pull(c.phi)", "at.pull(1.0)"),
    Break("φ forgotten without a state", "law/move.py", "scale=c.phi", "scale=1.0"),
    Break("φ forgotten in closed form", "law/closed_form.py", "slope if isinstance(phi, float) and phi == 1.0 else phi * slope", "slope"),
    Break("the sign of ω'", "law/weights.py", "-c.tau * c.s * scale", "c.tau * c.s * scale"),
    Break("τ missing in ω", "law/weights.py", "-c.tau * c.s * scale", "-c.s * scale"),
    Break("ω without dissipation", "law/weights.py", "-c.tau * c.s * scale, 1 - c.tau * c.eta", "-c.tau * c.s * scale, 1.0"),
    Break("τ missing in a turn", "networks/rotations.py", "_turn(xp, h[\"h\"], w[0], tau, self.keep)", "_turn(xp, h[\"h\"], w[0], 1.0, self.keep)"),
    Break("a slope used twice counted once", "law/closed_form.py", "plus(found[i], tensor(g))", "tensor(g)",
          "tests/identities/test_closed_form.py::test_what_is_known_keeps_its_closed_form_however_it_is_put_together"),
    Break("old ω in sequential order", "law/weights.py", "self._next_views if fresh else self._views), self.theta", "self._views), self.theta"),
    Break("new ω in Euler order", "law/weights.py", "self._next_views if fresh else self._views), self.theta", "self._next_views), self.theta"),
    Break("β per name forgotten", "law/weights.py", "torch.mul(self._next if fresh else self._flat, self._pace, out=self._flat)",
          "self._flat.copy_(self._next if fresh else self._flat)",
          "tests/identities/test_reference.py::test_beta_per_name_and_per_weight"),
    Break("the sample's own dt forgotten", "declared.py", "found if dt is None or not hasattr(found, \"tau\") else found._replace(tau=dt)", "found"),
    Break("h kept after the end", "learners/base.py", "(None, None) if sample.end else", "(None, None) if False else"),
    Break("time stands still", "learners/base.py", "self.t += tau", "self.t += 0 * tau"),
    Break("overflow let through", "law/weights.py", 'return "omega", name', "pass", "tests/contracts/test_record.py::test_each_quantity_is_named"),
    Break("a snapshot without z", "learners/resume.py", "named(), h, learner._z", "named(), h, None",
          "tests/identities/test_closed_form.py::test_a_learner_in_closed_form_is_one_by_autograd_and_resumes_to_the_bit"),
    Break("pure: the old ω in sequential order", "law/weights.py", "after if fresh else omega, metric.share(c)", "omega, metric.share(c)",
          "tests/identities/test_pure_step.py"),
    Break('buffers of a refused step stay moved', 'learners/base.py', '            self.inventory.put_back(kept)\n',
          '',
          'tests/contracts/test_remedies.py::test_a_refused_step_and_a_look_leave_buffers_and_draws'),
    Break('a nan loss let through', 'learners/base.py', 'if not math.isfinite(value):',
          'if math.isinf(value):',
          'tests/contracts/test_remedies.py'),
    Break("the sample's own dt not counted", 'learners/base.py', 'self.t += tau if sample.dt is None else sample.dt',
          'self.t += tau',
          'tests/contracts/test_gaps.py'),
    Break('what a gap leaves of z forgotten', 'learners/base.py', '{name: self._kept_of_z * z',
          '{name: z',
          'tests/contracts/test_gaps.py'),
    Break('a gradient asked for moves buffers', 'learners/base.py', '        with preserved(self.network):\n            step, tau',
          '        with nullcontext():\n            step, tau',
          'tests/contracts/test_remedies.py::test_a_refused_step_and_a_look_leave_buffers_and_draws'),
    Break("torch's first step dampened", 'learners/learner.py', 'c = c._replace(phi=1 / c.tau)',
          'pass',
          'tests/identities/test_T1_sgd.py::test_T1_the_whole_run_on_iris_mlp[Mom-a]'),
    Break('momentum by its rounding', 'learners/learner.py', 'momentum if kept else keep',
          'keep',
          'tests/identities/test_T1_sgd.py::test_T1_the_whole_run_on_iris_mlp[Mom-a]'),
    Break("H' without φ", 'learners/learner.py', 'c.phi * loss + sum(map(float, move.powers()))',
          'loss + sum(map(float, move.powers()))',
          'tests/identities/test_reference.py::test_report_tells_the_loss_the_hamiltonian_and_the_output'),
    Break('reset_omega forgotten', 'learners/learner.py', 'if sample.end and self.reset_omega:',
          'if False:',
          'tests/identities/test_T1_sgd.py::test_T1_reset_of_omega_at_sample_ends_is_plain_gradient_descent'),
    Break("SGD's dampening forgotten", 'learners/sgd.py', 'share = 1 - s.dampening if s.momentum else 1.0',
          'share = 1.0',
          'tests/learners/test_sgd.py'),
    Break("a user's .grad lost", 'learners/sgd.py', '            p.grad = before\n',
          '            p.grad = None\n',
          'tests/learners/test_sgd.py::test_a_weight_without_gradient_stands_still_as_torch_has_it'),
    Break('RTRL without its memory', 'learners/rtrl.py', 'P + tau * (by_h @ P + by_theta)',
          'P + tau * by_theta',
          'tests/identities/test_T4_online.py::test_T4_rtrl_sums_to_the_gradient_through_the_whole_past'),
    Break('turns one token late', 'learners/bptt.py', 'memory["since"] + 1 >= every',
          'memory["since"] >= every',
          'tests/identities/test_T4_online.py'),
    Break('the way back without dissipation of ω', 'learners/bptt.py', 'prod(1 - step.tau * c.eta for step in path)',
          '1.0',
          'tests/identities/test_T4_online.py::test_T4_with_dissipation_omega_goes_on_and_fades_at_every_token_of_the_way_back'),
    Break('a snapshot without memory', 'learners/resume.py', 'learner.memory = memory\n',
          'pass\n',
          'tests/identities/test_T12_resume.py::test_T12_every_learner_resumes'),
    Break('another set of trained weights taken', 'learners/resume.py', 'if snapshot.omega.keys() != set(learner.law.names):',
          'if False:',
          'tests/identities/test_T12_resume.py::test_another_set_of_frozen_weights_is_told_and_nothing_is_overwritten'),
    Break('a hook that comes later unseen', 'law/hamiltonian.py', 'self._closed is not None and not self._closed.intact()',
          'False',
          'tests/identities/test_closed_form.py::test_a_hook_that_comes_later_is_called'),
    Break('targets broadcast again', 'law/loss.py', 'target.shape != y.shape and not self.own_shapes',
          'False',
          'tests/contracts/test_shapes.py'),
    Break('a gap in one long step', 'law/gap.py', 'dt <= tau or (',
          'dt <= tau or True or (',
          'tests/contracts/test_gaps.py'),
    Break('ω forgets by a step, not exactly', 'law/gap.py', 'math.exp(-eta * gap)',
          'max(0.0, 1 - eta * gap)',
          'tests/contracts/test_gaps.py'),
    Break("the control without its share of H'", 'learners/learner.py', 'slopes, gain, keep = received(self.law.theta, move.dtheta, move.scale, c)',
          'slopes, gain, keep = received(self.law.theta, move.dtheta, 1.0, c)',
          'tests/identities/test_reference.py tests/identities/test_T5_locality.py::test_the_gradient_of_an_output_network_is_phi_times_autograds'),
    Break('the cause of a refusal not told', 'learners/refusal.py', 'cause = _in_sample(sample, step) or',
          'cause =',
          'tests/contracts/test_remedies.py'),
    Break('a leaky cell without its speed', 'networks/recurrent.py', 'tau = tau if self.speed is None else 1 / self.speed',
          'tau = tau',
          'tests/identities/test_reference.py tests/contracts/test_shapes.py tests/identities/test_closed_form.py::test_a_recurrent_learner_in_closed_form_is_one_by_autograd'),
    Break('the bias of the state forgotten in closed form', 'networks/recurrent.py', 'return [outer(d, x), outer(d, h["h"]), db, db]',
          'return [outer(d, x), outer(d, h["h"]), db, 0 * db]',
          'tests/identities/test_closed_form.py::test_a_recurrent_learner_in_closed_form_is_one_by_autograd'),
    Break("tanh's slope by hand", 'networks/module_forms.py', '1 - ',
          '1 + ',
          'tests/identities/test_closed_form.py'),
    Break('groups read their own state', 'networks/chain.py', '        x = states[i]\n',
          '        x = states[max(i, 1)]\n',
          'tests/contracts/test_chain.py tests/identities/test_T5_locality.py::test_T5_a_group_reads_its_neighbour_below_and_itself_alone'),
    Break('the turn stands', 'networks/chain.py', '(turn + 1) % len(self.groups)',
          'turn',
          'tests/identities/test_T6_delay_free.py'),
    Break('a queue one shorter', 'networks/stashed_chain.py', '2 * (len(self.groups) - whole("group", i)) + 2',
          '2 * (len(self.groups) - whole("group", i)) + 1',
          'tests/identities/test_T5_stream.py::test_T5_stashed_groups_have_backprops_gradient_of_an_earlier_sample'),
    Break('rotations the other way', 'networks/rotations.py', '[c * x1 + s * x2, c * x2 - s * x1]',
          '[c * x1 - s * x2, c * x2 + s * x1]',
          'tests/physics/test_rotations.py::test_a_step_is_exact_with_a_constant_drive_also_where_a_block_stands'),
    Break('a drive of half a step', 'networks/rotations.py', 'xp.sinc(angle / (2 * math.pi))',
          'xp.sinc(angle / math.pi)',
          'tests/physics/test_rotations.py::test_a_step_is_exact_with_a_constant_drive_also_where_a_block_stands'),
    Break('leapfrog walked back wrong', 'networks/reversible/coupling.py', '(m, h - m)',
          '(m, h + m)',
          'tests/identities/test_T7_reversible.py::test_T7_500_steps_of_a_rotation_are_walked_back_to_round_off tests/identities/test_T7_reversible.py::test_T7_the_gradient_is_autograds_at_depth_256'),
    Break('buffers of a block not put back', 'networks/reversible/coupling.py', 'put_back(self.before.get(k, ()))',
          'pass',
          'tests/identities/test_T7_buffers.py'),
    Break('w = p² + m²', 'networks/sparse_linear.py', 'self.p.square() - self.m.square()',
          'self.p.square() + self.m.square()',
          'tests/contracts/test_real_streams.py::test_sparse_weights_move_as_their_law_says'),
    Break('a look leaves its draws', 'networks/preserved.py', 'with torch.random.fork_rng(devices=list(devices)):',
          'if True:',
          'tests/contracts/test_remedies.py::test_a_refused_step_and_a_look_leave_buffers_and_draws'),
    Break('an epoch is the one before', 'streams/datasets.py', 'np.random.default_rng((self.seed, epoch))',
          'np.random.default_rng((self.seed, 0))',
          'tests/contracts/test_streams.py::test_every_epoch_is_a_permutation'),
    Break('a target one row late', 'streams/tables.py', 'ahead, now = y[self.horizon :], slice(self.round)',
          'ahead, now = np.roll(y, 1, 0)[self.horizon :], slice(self.round)',
          'tests/contracts/test_tables.py'),
    Break('the future in the scale', 'streams/tables.py', 'mean = np.cumsum(x - shift, 0) / n',
          'mean = np.broadcast_to((x - shift).mean(0), x.shape)',
          'tests/contracts/test_tables.py'),
    Break('a text read as a number', 'streams/tables.py', 'or (isinstance(x, str) and "_" in x)',
          '',
          'tests/lab/test_text_is_data.py::test_the_cells_of_a_table_are_numbers_or_told'),
    Break('a series without its end', 'streams/series.py', 'return Sample(now, later, end=i == self.round - 1)',
          'return Sample(now, later, end=False)',
          'tests/contracts/test_streams.py::test_real_data_are_the_known_ones'),
    Break('a change that peeps', 'streams/series.py', 'windows = [slice(max(0, k - memory + 1), k + 1)',
          'windows = [slice(max(0, k - memory + 1), k + 2)',
          'tests/contracts/test_real_streams.py'),
    Break('late targets too early', 'streams/delayed.py', 'self.stream[k - self.steps].target if k >= self.steps',
          'self.stream[k].target if k >= self.steps',
          'tests/identities/test_T5_stream.py::test_late_targets'),
    Break('lost ticks not counted', 'streams/delayed.py', 'dt=self.tau * (tick - last)',
          'dt=self.tau',
          'tests/contracts/test_streams.py::test_a_clock_drops_what_arrives_while_the_learner_is_busy'),
    Break('the reverse repeats the last token', 'streams/reversed.py', '*range(n - 2, n - 1 - back, -1)',
          '*range(n - 1, n - back, -1)',
          'tests/identities/test_T4_reversed.py'),
    Break('a world draws the same at each step', 'streams/world.py', 'words = self.seed, what, k',
          'words = self.seed, what, 0',
          'tests/contracts/test_world.py'),
    Break('what is not allowed is done', 'streams/world.py', 'values[~mask] = -np.inf',
          'pass',
          'tests/contracts/test_world.py::test_what_is_not_allowed_is_never_done'),
    Break("a checkpoint without torch's generator", 'records/checkpoint.py', 'rewind(self.generators, network)',
          'pass',
          'tests/identities/test_T12_resume.py::test_T12_resume_equals_the_uninterrupted_run'),
    Break('a file of another format read', 'records/checkpoint.py', 'if version != CHECKPOINT_FORMAT:',
          'if False:',
          'tests/identities/test_T12_resume.py::test_files_of_another_format_or_learner_are_told'),
    Break('a file written in its own place', 'files.py', '        part.replace(path)\n',
          '        path.write_bytes(part.read_bytes()[:-1]), part.unlink()\n',
          'tests/identities/test_T12_resume.py::test_T12_resume_equals_the_uninterrupted_run tests/contracts/test_files.py'),
    Break('a record out of order', 'records/recorder.py', 'rows = np.arange(first + -first % stride, self.count, stride) % self.capacity',
          'rows = np.arange(n)',
          'tests/contracts/test_record.py'),
    Break('settings of the step before', 'records/recorder.py', 'self._row = settings.numbers(t - settings.at(t, dt).tau, dt)',
          'self._row = self._row or settings.numbers(0.0, dt)',
          'tests/contracts/test_record.py tests/runs/test_run.py::test_the_code_of_a_run_is_the_run'),
    Break('a history that keeps the future', 'records/snapshots.py', '[m for m in self._moments if m.snapshot.steps <= steps]',
          'list(self._moments)',
          'tests/runs/test_run.py tests/runs/test_forks.py'),
    Break('a reset from another seed', 'runs/run.py', '        self.learner, self.stream = self.experiment.learner(self.seed)\n',
          '        self.learner, self.stream = self.experiment.learner(self.seed + hasattr(self, "report"))\n',
          'tests/runs/test_run.py::test_reset_reproduces_the_first_hundred_steps_bit_for_bit'),
    Break('changes forgotten on the way back', 'runs/run.py', 'self.learner.settings = self.settings.replace(**change)',
          'pass',
          'tests/runs/test_run.py'),
    Break('the state string without its changes', 'runs/state_string.py', 'for at, change in run.changes if at >= since]',
          'for at, change in []]',
          'tests/runs/test_run.py::test_the_state_string_makes_the_same_bits'),
    Break('dropout differs for the rival', 'runs/run.py', '                torch.set_rng_state(before)  # dropout draws the same for all\n',
          '',
          'tests/runs/test_rival.py::test_dropout_draws_the_same_for_both'),
    Break('a fork of step 0 forgets what it began with', 'runs/forks.py', 'self._start(f) + state_string', 'state_string',
          'tests/lab/test_survey.py::test_a_click_lets_the_run_of_its_cell_play_beside'),
    Break('a forecast after the target', 'runs/prequential.py', 'found = report.output.detach().argmax(1) if classes else report.output.detach()',
          'found = report.output.detach().argmax(1) if classes else learner.step(sample).output.detach()',
          'tests/contracts/test_real_streams.py tests/runs/test_evaluation.py'),
    Break('an alignment without φ', 'runs/alignment.py', 'true[name].add_(g, alpha=phi)',
          'true[name].add_(g)',
          'tests/identities/test_T4_online.py::test_the_alignment_of_the_exact_learner_is_one_and_that_of_others_less tests/runs/test_evaluation.py'),
    Break('every seed is the first', 'experiments/experiment.py', '            torch.manual_seed(seed)\n            return build(seed)',
          '            torch.manual_seed(0)\n            return build(0)',
          'tests/contracts/test_experiments.py::test_a_learner_is_an_option'),
    Break('a mean that is a sum', 'devices/wire.py', 'for r in ranks]).mean(0)',
          'for r in ranks]).sum(0)',
          'tests/identities/test_T8_devices.py::test_T8_replicas_share_a_batch_as_one_process_sees_it'),
    Break('the addend from above lost', 'devices/groups.py', 'dh[last] = addend if found is None else found + addend',
          'dh[last] = found',
          'tests/identities/test_T8_devices.py::test_T8_any_number_of_ranks_has_the_trajectory_of_one_process'),
    Break('a rank hears its own past', 'devices/groups.py', 'groups.from_below if self._news[1] is None else self._news[1]',
          'groups.from_below',
          'tests/identities/test_T8_devices.py::test_T8_any_number_of_ranks_has_the_trajectory_of_one_process'),
    Break('the worst balance', 'devices/balance.py', 'min((max(best[m][0]',
          'max((max(best[m][0]',
          'tests/contracts/test_device_pace.py::test_no_contiguous_balance_is_better'),
    Break('a handler touches the model', 'lab/loop.py', '        if self.loop is None or self.loop.is_closed():\n            self.read()',
          '        if True:\n            self.read()',
          'tests/lab/test_live.py'),
    Break('bad input stops the run', 'lab/loop.py', 'self.driven.warn(str(error))',
          'self.fail(error)',
          'tests/lab/test_live.py'),
    Break('two tasks at once', 'lab/loop.py', 'if self._task is None or self._task.done():',
          'if True:',
          'tests/lab/test_live.py'),
    Break('a late speed makes up for all', 'lab/pace.py', 'max(1.0, 0.2 * self.speed)',
          '1e9',
          'tests/lab/test_cockpit.py::test_the_speed_is_kept'),
    Break('a bad value stays on the dial', 'lab/cockpit.py', '            self._controls.show(self.settings)  # back to the good value\n',
          '',
          'tests/lab/test_cockpit.py::test_bad_input_is_told_and_the_good_value_stays'),
    Break('a snap is a change', 'lab/controls.py', '            if self._near(value):\n                return\n',
          '',
          'tests/lab/test_cockpit.py::test_slider_and_field_go_together_and_a_snap_is_no_change'),
    Break('a text is HTML', 'lab/widgets.py', '{html.escape(tr(text))}',
          '{tr(text)}',
          'tests/lab/test_text_is_data.py'),
    Break('a closed panel stays open', 'lab/panel.py', '        leave(self)\n',
          '',
          'tests/lab/test_cockpit.py::test_running_the_cell_again_closes_the_panel_that_stood_there'),
]  # fmt: skip


def survives(mutation: Break) -> bool:
    """True if the suite does not notice the break."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        skip = shutil.ignore_patterns("__pycache__", "benchmarks", "browser")
        shutil.copytree(ROOT / "hlcore", place / "hlcore", ignore=skip)
        shutil.copytree(ROOT / "tests", place / "tests", ignore=skip)
        shutil.copy(ROOT / "pyproject.toml", place)
        file = place / "hlcore" / mutation.file
        text = file.read_text()
        if mutation.before not in text:
            raise SystemExit(f"{mutation.name}: the line to break is not in {mutation.file}; mend tests/mutate.py")
        file.write_text(text.replace(mutation.before, mutation.after))
        code, said = judged(place, mutation.by.split() or JUDGES)
        if code not in (0, 1):
            raise SystemExit(f"{mutation.name}: the suite did not run\n{said[-4000:]}")
        return code == 0


def judged(place: Path, tests: list[str]) -> tuple[int, str]:
    """(pytest's exit status, what it printed); a break that makes it hang is noticed as well, and told where it hung."""
    run = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    bare = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # notebooks' plugins alone take two seconds to load
    with (place / "said").open("w+") as said:  # a file: what a test leaves running would hold a pipe open for ever
        process = subprocess.Popen(run, cwd=place, stdout=said, stderr=said, env=bare, start_new_session=True)
        try:
            code, last = process.wait(HANGS), signal.SIGKILL
        except subprocess.TimeoutExpired:
            code, last = 1, signal.SIGABRT  # faulthandler says where
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, last)  # with what it left
        process.wait()
        said.seek(0)
        text = said.read()
    if last is signal.SIGABRT:
        print(f"hung for {HANGS} s:", text[-8000:])
    return code, text


def survivors(breaks: list[Break]) -> list[str]:
    """Names of the breaks that nobody noticed."""
    with ThreadPoolExecutor(2) as pool:
        return [b.name for b, alive in zip(breaks, pool.map(survives, breaks), strict=True) if alive]


def drawn(n: int) -> list[Break]:
    """So many of them, others for each state of the house."""
    house = "".join(str(path.stat().st_size) for path in sorted((ROOT / "hlcore").rglob("*.py")))
    return random.Random(house).sample(BREAKS, n)


if __name__ == "__main__":
    chosen = [b for b in BREAKS if not sys.argv[1:] or any(word in b.file or word == b.name for word in sys.argv[1:])]
    alive = survivors(chosen)
    print(f"{len(chosen) - len(alive)} of {len(chosen)} breaks were noticed")
    for name in alive:
        print("survived:", name)
    sys.exit(bool(alive))
