// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of folio_drain: one for each order in which the waiter and the
 * foreign references can meet, and for each reason to refuse.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/folio_drain.h>
#include <linux/folio_owner.h>
#include <linux/kthread.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/pipe_fs_i.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "../folio_owner.h"

/* Locked, with @refs references. */
static struct folio *new_folio(struct kunit *test, int refs)
{
	struct folio *folio = folio_alloc(GFP_KERNEL, 0);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	if (refs > 1)
		folio_ref_add(folio, refs - 1);
	folio_lock(folio);
	return folio;
}

/* What every drain that is done leaves, and what every caller does next. */
static void expect_drained(struct kunit *test, struct folio *folio)
{
	KUNIT_EXPECT_EQ(test, 0, folio_ref_count(folio));
	KUNIT_EXPECT_FALSE(test, folio_test_private(folio));
	KUNIT_EXPECT_NULL(test, folio_get_private(folio));
	folio_ref_unfreeze(folio, 1);
	folio_unlock(folio);
	folio_put(folio);
}

/* What every drain that was cancelled or refused leaves. */
static void expect_untouched(struct kunit *test, struct folio *folio, int refs)
{
	KUNIT_EXPECT_EQ(test, refs, folio_ref_count(folio));
	KUNIT_EXPECT_FALSE(test, folio_test_private(folio));
	KUNIT_EXPECT_NULL(test, folio_get_private(folio));
	folio_unlock(folio);
	while (refs--)
		folio_put(folio);
}

static void no_foreign_reference(struct kunit *test)
{
	struct folio *folio = new_folio(test, 3);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 3));
	KUNIT_EXPECT_EQ(test, 0, folio_drain_wait(&drain, TASK_UNINTERRUPTIBLE, 1));
	expect_drained(test, folio);
}

static void put_then_wait(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	/* Lookups go on while somebody has a reference. */
	KUNIT_EXPECT_TRUE(test, folio_try_get(folio));
	folio_put(folio);
	folio_put(folio);
	KUNIT_EXPECT_FALSE(test, folio_try_get(folio));
	KUNIT_EXPECT_EQ(test, 0, folio_drain_wait(&drain, TASK_UNINTERRUPTIBLE, 1));
	expect_drained(test, folio);
}

static bool put_before_giving_up(struct folio *folio, unsigned int refs)
{
	folio_put(folio);
	return folio_ref_sub_and_test(folio, refs);
}

/* The foreign reference goes after the fast path failed: the waiter is last. */
static void put_before_drop(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	kunit_activate_static_stub(test, folio_drain_give_up, put_before_giving_up);
	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	kunit_deactivate_static_stub(test, folio_drain_give_up);
	KUNIT_EXPECT_EQ(test, 0, folio_drain_wait(&drain, TASK_UNINTERRUPTIBLE, 1));
	expect_drained(test, folio);
}

/* Another task, and the end of it. */
struct other {
	struct folio *folio;
	struct folio_drain drain;
	unsigned int state;
	int err;
	bool cancelled;
	struct completion done;
};

static void run_other(struct kunit *test, int (*fn)(void *), struct other *other)
{
	struct task_struct *task;

	init_completion(&other->done);
	task = kthread_run(fn, other, "folio_drain_test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
}

static int put_later(void *data)
{
	struct other *other = data;

	schedule_timeout_uninterruptible(2);
	folio_put(other->folio);
	kthread_complete_and_exit(&other->done, 0);
}

static void wait_then_put(struct kunit *test)
{
	struct other other = { .folio = new_folio(test, 2) };
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, other.folio, 1));
	run_other(test, put_later, &other);
	KUNIT_EXPECT_EQ(test, 0, folio_drain_wait(&drain, TASK_KILLABLE,
						  MAX_SCHEDULE_TIMEOUT));
	wait_for_completion(&other.done);
	expect_drained(test, other.folio);
}

static void timeout_then_cancel(struct kunit *test)
{
	struct folio *folio = new_folio(test, 5);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 3));
	KUNIT_EXPECT_EQ(test, 2, folio_ref_count(folio));
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT,
			folio_drain_wait(&drain, TASK_UNINTERRUPTIBLE, 1));
	KUNIT_EXPECT_TRUE(test, folio_drain_cancel(&drain));
	expect_untouched(test, folio, 5);
}

static void cancel_before_waiting(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	KUNIT_EXPECT_TRUE(test, folio_drain_cancel(&drain));
	expect_untouched(test, folio, 2);
}

static void cancel_after_some_puts(struct kunit *test)
{
	struct folio *folio = new_folio(test, 4);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	folio_put(folio);
	folio_put(folio);
	KUNIT_EXPECT_TRUE(test, folio_drain_cancel(&drain));
	expect_untouched(test, folio, 2);
}

static void cancel_after_last_put(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT,
			folio_drain_wait(&drain, TASK_UNINTERRUPTIBLE, 1));
	folio_put(folio);
	/* Too late: the drain counts as done. */
	KUNIT_EXPECT_FALSE(test, folio_drain_cancel(&drain));
	expect_drained(test, folio);
}

static void cancel_of_fast_path(struct kunit *test)
{
	struct folio *folio = new_folio(test, 1);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	KUNIT_EXPECT_FALSE(test, folio_drain_cancel(&drain));
	expect_drained(test, folio);
}

static void wait_again_after_timeout(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT,
			folio_drain_wait(&drain, TASK_KILLABLE, 1));
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 0, folio_drain_wait(&drain, TASK_KILLABLE, 1));
	expect_drained(test, folio);
}

static void drain_twice_in_turn(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	KUNIT_ASSERT_TRUE(test, folio_drain_cancel(&drain));
	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 0, folio_drain_wait(&drain, TASK_KILLABLE, 1));
	expect_drained(test, folio);
}

/* A signal is pending before the wait: it must not sleep. */
static int wait_signalled(void *data)
{
	struct other *other = data;
	struct folio_drain drain;

	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	other->err = folio_drain_start(&drain, other->folio, 1);
	if (!other->err) {
		other->err = folio_drain_wait(&drain, other->state,
					      MAX_SCHEDULE_TIMEOUT);
		other->cancelled = folio_drain_cancel(&drain);
	}
	kthread_complete_and_exit(&other->done, 0);
}

static void wait_with_signal(struct kunit *test, unsigned int state)
{
	struct other other = {
		.folio	= new_folio(test, 2),
		.state	= state,
	};

	run_other(test, wait_signalled, &other);
	wait_for_completion(&other.done);
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS, other.err);
	KUNIT_EXPECT_TRUE(test, other.cancelled);
	expect_untouched(test, other.folio, 2);
}

static void killed(struct kunit *test)
{
	wait_with_signal(test, TASK_KILLABLE);
}

static void interrupted(struct kunit *test)
{
	wait_with_signal(test, TASK_INTERRUPTIBLE);
}

static void wait_in_no_state(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	KUNIT_EXPECT_EQ(test, -EINVAL, folio_drain_wait(&drain, TASK_RUNNING, 1));
	KUNIT_EXPECT_TRUE(test, folio_drain_cancel(&drain));
	expect_untouched(test, folio, 2);
}

static int wait_for_drain(void *data)
{
	struct other *other = data;

	other->err = folio_drain_wait(&other->drain, TASK_UNINTERRUPTIBLE,
				      MAX_SCHEDULE_TIMEOUT);
	kthread_complete_and_exit(&other->done, 0);
}

/* The drain stays in place here, and nobody raises the count: no lock. */
static void try_cancel_while_waiting(struct kunit *test)
{
	struct folio *folio = new_folio(test, 5);
	struct other *other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, other);
	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&other->drain, folio, 3));
	run_other(test, wait_for_drain, other);
	schedule_timeout_uninterruptible(2);
	KUNIT_EXPECT_FALSE(test, completion_done(&other->done));

	KUNIT_EXPECT_TRUE(test, folio_drain_try_cancel(&other->drain));
	wait_for_completion(&other->done);
	KUNIT_EXPECT_EQ(test, -ECANCELED, other->err);
	expect_untouched(test, folio, 5);
}

static void try_cancel_before_waiting(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	KUNIT_EXPECT_TRUE(test, folio_drain_try_cancel(&drain));
	KUNIT_EXPECT_EQ(test, -ECANCELED,
			folio_drain_wait(&drain, TASK_KILLABLE, 1));
	expect_untouched(test, folio, 2);
}

/* Again and again, as long as the waiter has not seen it. */
static void try_cancel_after_last_put(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	folio_put(folio);
	KUNIT_EXPECT_FALSE(test, folio_drain_try_cancel(&drain));
	KUNIT_EXPECT_FALSE(test, folio_drain_try_cancel(&drain));
	KUNIT_EXPECT_EQ(test, 0, folio_drain_wait(&drain, TASK_KILLABLE, 1));
	expect_drained(test, folio);
}

static void try_cancel_of_fast_path(struct kunit *test)
{
	struct folio *folio = new_folio(test, 1);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	KUNIT_EXPECT_FALSE(test, folio_drain_try_cancel(&drain));
	KUNIT_EXPECT_EQ(test, 0, folio_drain_wait(&drain, TASK_KILLABLE, 1));
	expect_drained(test, folio);
}

/* The folio lives again: it must not get the references of the drain. */
static void try_cancel_after_wait(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 0, folio_drain_wait(&drain, TASK_KILLABLE, 1));
	folio_ref_unfreeze(folio, 1);
	KUNIT_EXPECT_FALSE(test, folio_drain_try_cancel(&drain));
	expect_untouched(test, folio, 1);
}

/* A drain that nobody waits for, and what the work found. */
struct job {
	struct work_struct work;
	struct folio_drain drain;
	unsigned int runs;
	int err;
};

static void job_workfn(struct work_struct *work)
{
	struct job *job = container_of(work, struct job, work);

	job->runs++;
	/* Must not have to wait. */
	job->err = folio_drain_wait(&job->drain, TASK_UNINTERRUPTIBLE, 0);
}

static struct job *new_job(struct kunit *test)
{
	struct job *job = kunit_kzalloc(test, sizeof(*job), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, job);
	INIT_WORK(&job->work, job_workfn);
	return job;
}

static int start_job(struct job *job, struct folio *folio, unsigned int refs)
{
	return folio_drain_start_work(&job->drain, folio, refs, &job->work);
}

static void expect_runs(struct kunit *test, struct job *job, unsigned int runs)
{
	flush_work(&job->work);
	KUNIT_EXPECT_EQ(test, runs, job->runs);
}

static void expect_job(struct kunit *test, struct job *job, int err)
{
	expect_runs(test, job, 1);
	KUNIT_EXPECT_EQ(test, err, job->err);
}

static void work_when_drained(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct job *job = new_job(test);

	KUNIT_ASSERT_EQ(test, 0, start_job(job, folio, 1));
	expect_runs(test, job, 0);
	folio_put(folio);
	expect_job(test, job, 0);
	expect_drained(test, folio);
}

static void work_when_cancelled(struct kunit *test)
{
	struct folio *folio = new_folio(test, 5);
	struct job *job = new_job(test);

	KUNIT_ASSERT_EQ(test, 0, start_job(job, folio, 3));
	expect_runs(test, job, 0);
	KUNIT_EXPECT_TRUE(test, folio_drain_try_cancel(&job->drain));
	expect_job(test, job, -ECANCELED);
	expect_untouched(test, folio, 5);
}

static void work_after_late_cancel(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct job *job = new_job(test);

	KUNIT_ASSERT_EQ(test, 0, start_job(job, folio, 1));
	folio_put(folio);
	KUNIT_EXPECT_FALSE(test, folio_drain_try_cancel(&job->drain));
	expect_job(test, job, 0);
	expect_drained(test, folio);
}

static void work_without_foreign_reference(struct kunit *test)
{
	struct folio *folio = new_folio(test, 3);
	struct job *job = new_job(test);

	KUNIT_ASSERT_EQ(test, 0, start_job(job, folio, 3));
	expect_job(test, job, 0);
	expect_drained(test, folio);
}

/* As put_before_drop(). */
static void work_of_put_before_drop(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct job *job = new_job(test);

	kunit_activate_static_stub(test, folio_drain_give_up, put_before_giving_up);
	KUNIT_ASSERT_EQ(test, 0, start_job(job, folio, 1));
	kunit_deactivate_static_stub(test, folio_drain_give_up);
	expect_job(test, job, 0);
	expect_drained(test, folio);
}

static void no_work_when_refused(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct job *job = new_job(test);

	folio_attach_private(folio, test);
	KUNIT_EXPECT_EQ(test, -EBUSY, start_job(job, folio, 1));
	KUNIT_EXPECT_PTR_EQ(test, (void *)test, folio_detach_private(folio));
	expect_runs(test, job, 0);
	expect_untouched(test, folio, 2);
}

struct kept {
	struct folio_owner owner;
	unsigned int frees;
};

static void keep(struct folio *folio)
{
	container_of(folio_owner(folio), struct kept, owner)->frees++;
}

static void keep_batch(struct folio_batch *fbatch)
{
	unsigned int i;

	for (i = 0; i < folio_batch_count(fbatch); i++)
		keep(fbatch->folios[i]);
}

DEFINE_FOLIO_OWNER_DOMAIN(keep_domain, "kunit-drain", NULL);

static const struct folio_owner_ops keep_ops = {
	.module		= THIS_MODULE,
	.free		= keep,
	.free_batch	= keep_batch,
};

/* Not managed by KUnit: a test that failed may leave folios behind. */
static struct kept *new_kept(struct kunit *test)
{
	struct kept *kept = kzalloc(sizeof(*kept), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, kept);
	kept->owner.ops = &keep_ops;
	kept->owner.domain = &keep_domain;
	return kept;
}

static void end_kept(struct kunit *test, struct kept *kept)
{
	if (READ_ONCE(test->status) != KUNIT_FAILURE)
		kfree(kept);
}

/* The drain, and not the owner, hears of the last put; the owner comes back. */
static void owned_folio(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct kept *kept = new_kept(test);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_owner_set(folio, &kept->owner));

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	KUNIT_EXPECT_PTR_NE(test, &kept->owner, folio_owner(folio));
	KUNIT_EXPECT_EQ(test, -EBUSY, folio_owner_set(folio, &kept->owner));
	KUNIT_EXPECT_TRUE(test, folio_drain_cancel(&drain));
	KUNIT_EXPECT_PTR_EQ(test, &kept->owner, folio_owner(folio));

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 0, folio_drain_wait(&drain, TASK_KILLABLE, 1));
	KUNIT_EXPECT_EQ(test, 0, kept->frees);
	KUNIT_EXPECT_PTR_EQ(test, &kept->owner, folio_owner(folio));

	folio_unlock(folio);
	folio_ref_unfreeze(folio, 1);
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 1, kept->frees);
	folio_owner_release(folio);
	end_kept(test, kept);
}

/* To clear it now is a bug of the owner: it is told so, and nothing happens. */
static void clear_while_drained(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct kept *kept = new_kept(test);
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_owner_set(folio, &kept->owner));
	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	folio_owner_clear(folio);
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 0, folio_drain_wait(&drain, TASK_KILLABLE, 1));
	KUNIT_EXPECT_PTR_EQ(test, &kept->owner, folio_owner(folio));

	folio_unlock(folio);
	folio_owner_release(folio);
	KUNIT_EXPECT_EQ(test, 0, kept->frees);
	end_kept(test, kept);
}

/* Count one does not mean that a pipe is the only one who has the page. */
static void steal_while_drained(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct pipe_buffer buf = { .page = &folio->page };
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
	KUNIT_EXPECT_FALSE(test, generic_pipe_buf_try_steal(NULL, &buf));
	KUNIT_EXPECT_TRUE(test, folio_drain_cancel(&drain));

	/* Nor is it without a drain; but then it may be. */
	KUNIT_EXPECT_FALSE(test, generic_pipe_buf_try_steal(NULL, &buf));
	folio_unlock(folio);
	folio_put(folio);
	KUNIT_EXPECT_TRUE(test, generic_pipe_buf_try_steal(NULL, &buf));
	expect_untouched(test, folio, 1);
}

#if IS_BUILTIN(CONFIG_FOLIO_OWNER_KUNIT_TEST) && IS_ENABLED(CONFIG_MIGRATION)
static struct folio *alloc_target(struct folio *src, unsigned long private)
{
	return folio_alloc(GFP_KERNEL, 0);
}

/* Nor does it mean that the folio was freed after it was isolated. */
static void migrate_while_drained(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;
	LIST_HEAD(list);

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	list_add(&folio->lru, &list);
	KUNIT_EXPECT_EQ(test, 1, migrate_pages(&list, alloc_target, NULL, 0,
					       MIGRATE_ASYNC, MR_SYSCALL, NULL));
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
	KUNIT_EXPECT_TRUE(test, list_is_singular(&list));
	list_del(&folio->lru);
	KUNIT_EXPECT_TRUE(test, folio_drain_cancel(&drain));
	expect_untouched(test, folio, 2);
}
#else
static void migrate_while_drained(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_MIGRATION, and not to be a module");
}
#endif

/* The owner is back when the waiter, or the work, is told of the end. */
static void owned_folio_try_cancel(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct kept *kept = new_kept(test);
	struct job *job = new_job(test);

	KUNIT_ASSERT_EQ(test, 0, folio_owner_set(folio, &kept->owner));

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&job->drain, folio, 1));
	KUNIT_EXPECT_TRUE(test, folio_drain_try_cancel(&job->drain));
	KUNIT_EXPECT_PTR_EQ(test, &kept->owner, folio_owner(folio));
	KUNIT_EXPECT_EQ(test, -ECANCELED,
			folio_drain_wait(&job->drain, TASK_KILLABLE, 1));

	KUNIT_ASSERT_EQ(test, 0, start_job(job, folio, 1));
	folio_put(folio);
	expect_job(test, job, 0);
	KUNIT_EXPECT_EQ(test, 0, kept->frees);
	KUNIT_EXPECT_PTR_EQ(test, &kept->owner, folio_owner(folio));

	folio_unlock(folio);
	folio_owner_release(folio);
	end_kept(test, kept);
}

/* The second of two folios of one owner is being drained: it is no run. */
static void batch_with_drain(struct kunit *test)
{
	struct folio *first = new_folio(test, 1);
	struct folio *folio = new_folio(test, 2);
	struct kept *kept = new_kept(test);
	struct folio_batch fbatch;
	struct folio_drain drain;

	KUNIT_ASSERT_EQ(test, 0, folio_owner_set(first, &kept->owner));
	KUNIT_ASSERT_EQ(test, 0, folio_owner_set(folio, &kept->owner));
	folio_unlock(first);

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	folio_batch_init(&fbatch);
	folio_batch_add(&fbatch, first);
	folio_batch_add(&fbatch, folio);
	folios_put(&fbatch);
	KUNIT_EXPECT_EQ(test, 0, folio_drain_wait(&drain, TASK_KILLABLE, 1));
	KUNIT_EXPECT_EQ(test, 1, kept->frees);

	folio_unlock(folio);
	folio_owner_release(first);
	folio_owner_release(folio);
	end_kept(test, kept);
}

static void busy_private(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	folio_attach_private(folio, test);
	KUNIT_EXPECT_EQ(test, -EBUSY, folio_drain_start(&drain, folio, 1));
	KUNIT_EXPECT_PTR_EQ(test, (void *)test, folio_detach_private(folio));
	expect_untouched(test, folio, 2);
}

static void busy_writeback(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	folio_test_set_writeback(folio);
	KUNIT_EXPECT_EQ(test, -EBUSY, folio_drain_start(&drain, folio, 1));
	folio_test_clear_writeback(folio);
	expect_untouched(test, folio, 2);
}

/* Lookups would spin at zero, for as long as the waiter does not run. */
static void busy_mapping(struct kunit *test)
{
	static const struct address_space_operations aops = { };
	struct address_space mapping = { .a_ops = &aops };
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	folio->mapping = &mapping;
	KUNIT_EXPECT_EQ(test, -EBUSY, folio_drain_start(&drain, folio, 1));
	folio->mapping = NULL;
	expect_untouched(test, folio, 2);
}

static void busy_ksm(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	folio->mapping = (void *)PAGE_MAPPING_KSM;
	if (!folio_test_ksm(folio)) {
		folio->mapping = NULL;
		expect_untouched(test, folio, 2);
		kunit_skip(test, "CONFIG_KSM is off");
	}
	KUNIT_EXPECT_EQ(test, -EBUSY, folio_drain_start(&drain, folio, 1));
	folio->mapping = NULL;
	expect_untouched(test, folio, 2);
}

static void busy_drain(struct kunit *test)
{
	struct folio *folio = new_folio(test, 3);
	struct folio_drain drain, second;

	KUNIT_ASSERT_EQ(test, 0, folio_drain_start(&drain, folio, 1));
	KUNIT_EXPECT_EQ(test, -EBUSY, folio_drain_start(&second, folio, 1));
	KUNIT_EXPECT_TRUE(test, folio_drain_cancel(&drain));
	expect_untouched(test, folio, 3);
}

static void bad_references(struct kunit *test)
{
	struct folio *folio = new_folio(test, 2);
	struct folio_drain drain;

	KUNIT_EXPECT_EQ(test, -EINVAL, folio_drain_start(&drain, folio, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, folio_drain_start(&drain, folio, 3));
	folio_unlock(folio);
	KUNIT_EXPECT_EQ(test, -EINVAL, folio_drain_start(&drain, folio, 1));
	folio_lock(folio);
	expect_untouched(test, folio, 2);
}

static struct kunit_case folio_drain_cases[] = {
	KUNIT_CASE(no_foreign_reference),
	KUNIT_CASE(put_then_wait),
	KUNIT_CASE(put_before_drop),
	KUNIT_CASE(wait_then_put),
	KUNIT_CASE(timeout_then_cancel),
	KUNIT_CASE(cancel_before_waiting),
	KUNIT_CASE(cancel_after_some_puts),
	KUNIT_CASE(cancel_after_last_put),
	KUNIT_CASE(cancel_of_fast_path),
	KUNIT_CASE(wait_again_after_timeout),
	KUNIT_CASE(drain_twice_in_turn),
	KUNIT_CASE(killed),
	KUNIT_CASE(interrupted),
	KUNIT_CASE(wait_in_no_state),
	KUNIT_CASE(try_cancel_while_waiting),
	KUNIT_CASE(try_cancel_before_waiting),
	KUNIT_CASE(try_cancel_after_last_put),
	KUNIT_CASE(try_cancel_of_fast_path),
	KUNIT_CASE(try_cancel_after_wait),
	KUNIT_CASE(work_when_drained),
	KUNIT_CASE(work_when_cancelled),
	KUNIT_CASE(work_after_late_cancel),
	KUNIT_CASE(work_without_foreign_reference),
	KUNIT_CASE(work_of_put_before_drop),
	KUNIT_CASE(no_work_when_refused),
	KUNIT_CASE(owned_folio),
	KUNIT_CASE(clear_while_drained),
	KUNIT_CASE(steal_while_drained),
	KUNIT_CASE(migrate_while_drained),
	KUNIT_CASE(owned_folio_try_cancel),
	KUNIT_CASE(batch_with_drain),
	KUNIT_CASE(busy_private),
	KUNIT_CASE(busy_writeback),
	KUNIT_CASE(busy_mapping),
	KUNIT_CASE(busy_ksm),
	KUNIT_CASE(busy_drain),
	KUNIT_CASE(bad_references),
	{}
};

static struct kunit_suite folio_drain_suite = {
	.name = "folio_drain",
	.test_cases = folio_drain_cases,
};

kunit_test_suite(folio_drain_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit tests of folio_drain");
MODULE_LICENSE("GPL");
