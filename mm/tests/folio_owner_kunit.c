// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of folio_owner: the encoding, the three places of the free path,
 * the four endings of a callback, and shutdown.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/folio_owner.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/slab.h>
#include "../folio_owner.h"

/* How the callbacks of a test_owner end. */
enum ending {
	END_KEEP,
	END_REPUBLISH,
	END_RELEASE,
	END_DEFER,
	END_CLEAR,
};

struct test_owner {
	struct folio_owner owner;
	enum ending ending;
	unsigned int frees;		/* folios that free() got */
	unsigned int batches;		/* calls of free_batch() */
	unsigned int batched;		/* folios that it got */
	unsigned int deferred;		/* folios that free_deferred() got */
	bool bad_state;			/* a callback saw a folio that it should not */
};

static struct test_owner *to_test(struct folio *folio)
{
	return container_of(folio_owner(folio), struct test_owner, owner);
}

static void test_end(struct test_owner *to, struct folio *folio)
{
	if (folio_ref_count(folio) || folio_try_get(folio))
		to->bad_state = true;

	switch (to->ending) {
	case END_KEEP:
		folio_owner_keep(folio);
		break;
	case END_REPUBLISH:
		folio_owner_republish(folio, 2);
		break;
	case END_RELEASE:
		folio_owner_release(folio);
		break;
	case END_DEFER:
		folio_owner_defer(folio);
		break;
	case END_CLEAR:
		folio_owner_clear(folio);
		folio_ref_unfreeze(folio, 1);
		folio_put(folio);
		break;
	}
}

static void test_free(struct folio *folio)
{
	struct test_owner *to = to_test(folio);

	to->frees++;
	test_end(to, folio);
}

static void test_free_batch(struct folio_batch *fbatch)
{
	struct test_owner *to = to_test(fbatch->folios[0]);
	unsigned int i;

	to->batches++;
	to->batched += folio_batch_count(fbatch);
	for (i = 0; i < folio_batch_count(fbatch); i++) {
		if (to_test(fbatch->folios[i]) != to)
			to->bad_state = true;
		test_end(to, fbatch->folios[i]);
	}
}

static void test_free_deferred(struct folio *folio)
{
	struct test_owner *to = to_test(folio);

	might_sleep();
	if (folio_ref_count(folio) || folio->mapping || !in_task())
		to->bad_state = true;
	to->deferred++;
	folio_owner_release(folio);
}

static const struct folio_owner_ops test_ops = {
	.name		= "kunit",
	.module		= THIS_MODULE,
	.free		= test_free,
	.free_deferred	= test_free_deferred,
};

static const struct folio_owner_ops test_batch_ops = {
	.name		= "kunit-batch",
	.module		= THIS_MODULE,
	.free		= test_free,
	.free_batch	= test_free_batch,
};

/* Not managed by KUnit: a test that failed may leave folios behind. */
static struct test_owner *new_owner(struct kunit *test,
				    const struct folio_owner_ops *ops,
				    enum ending ending)
{
	struct test_owner *to = kzalloc(sizeof(*to), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, to);
	KUNIT_ASSERT_EQ(test, 0, folio_owner_init(&to->owner, ops, "test"));
	to->ending = ending;
	return to;
}

/* folio_owner_exit() would wait for ever for what a failure has leaked. */
static void end_owner(struct kunit *test, struct test_owner *to)
{
	KUNIT_EXPECT_FALSE(test, to->bad_state);
	if (READ_ONCE(test->status) == KUNIT_FAILURE)
		return;
	folio_owner_exit(&to->owner);
	kfree(to);
}

static struct folio *new_folio(struct kunit *test, struct test_owner *to,
			       unsigned int order)
{
	struct folio *folio = folio_alloc(GFP_KERNEL | __GFP_COMP, order);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	if (to)
		KUNIT_ASSERT_EQ(test, 0, folio_owner_set(folio, &to->owner));
	return folio;
}

static void set_and_clear(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_KEEP);
	struct folio *folio = new_folio(test, NULL, 0);

	KUNIT_EXPECT_NULL(test, folio_owner(folio));
	KUNIT_EXPECT_EQ(test, 0, folio_owner_set(folio, &to->owner));
	KUNIT_EXPECT_PTR_EQ(test, &to->owner, folio_owner(folio));
	KUNIT_EXPECT_TRUE(test, folio_test_owned(folio));
	/* It is not a reference, and is not taken for one. */
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
	KUNIT_EXPECT_EQ(test, 0, folio_expected_ref_count(folio));

	folio_owner_clear(folio);
	KUNIT_EXPECT_NULL(test, folio_owner(folio));
	KUNIT_EXPECT_FALSE(test, folio_test_private(folio));
	KUNIT_EXPECT_NULL(test, folio_get_private(folio));

	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 0, to->frees);
	end_owner(test, to);
}

static void set_twice(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_RELEASE);
	struct test_owner *other = new_owner(test, &test_ops, END_RELEASE);
	struct folio *folio = new_folio(test, to, 0);

	KUNIT_EXPECT_EQ(test, -EBUSY, folio_owner_set(folio, &other->owner));
	KUNIT_EXPECT_EQ(test, -EBUSY, folio_owner_set(folio, &to->owner));
	KUNIT_EXPECT_PTR_EQ(test, &to->owner, folio_owner(folio));

	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 1, to->frees);
	KUNIT_EXPECT_EQ(test, 0, other->frees);
	end_owner(test, to);
	end_owner(test, other);
}

static void set_on_private_data(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_RELEASE);
	struct folio *folio = new_folio(test, NULL, 0);

	folio_attach_private(folio, to);
	KUNIT_EXPECT_EQ(test, -EBUSY, folio_owner_set(folio, &to->owner));
	KUNIT_EXPECT_FALSE(test, folio_test_owned(folio));
	KUNIT_EXPECT_EQ(test, 1, folio_expected_ref_count(folio));
	KUNIT_EXPECT_PTR_EQ(test, (void *)to, folio_detach_private(folio));

	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 0, to->frees);
	end_owner(test, to);
}

static void set_in_swapcache(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_RELEASE);
	struct folio *folio = new_folio(test, NULL, 0);

	if (!IS_ENABLED(CONFIG_SWAP)) {
		folio_put(folio);
		end_owner(test, to);
		kunit_skip(test, "CONFIG_SWAP is off");
	}
	__folio_set_swapbacked(folio);
	folio_set_swapcache(folio);
	KUNIT_EXPECT_EQ(test, -EBUSY, folio_owner_set(folio, &to->owner));
	folio_clear_swapcache(folio);
	__folio_clear_swapbacked(folio);

	folio_put(folio);
	end_owner(test, to);
}

static void put_one(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_KEEP);
	struct folio *folio = new_folio(test, to, 0);

	folio_get(folio);
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 0, to->frees);

	folio_put(folio);
	KUNIT_ASSERT_EQ(test, 1, to->frees);
	KUNIT_EXPECT_FALSE(test, folio_try_get(folio));

	folio_owner_release(folio);
	KUNIT_EXPECT_EQ(test, 1, to->frees);
	end_owner(test, to);
}

static void put_large(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_RELEASE);
	struct folio *folio = new_folio(test, to, 3);

	/* A tail page leads to the owner too. */
	put_page(folio_page(folio, 5));
	KUNIT_EXPECT_EQ(test, 1, to->frees);
	end_owner(test, to);
}

static void put_list(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_RELEASE);
	struct folio *ordinary = new_folio(test, NULL, 0);
	LIST_HEAD(pages);
	int i;

	for (i = 0; i < 3; i++)
		list_add(&new_folio(test, to, 0)->lru, &pages);
	list_add(&ordinary->lru, &pages);

	put_pages_list(&pages);
	KUNIT_EXPECT_EQ(test, 3, to->frees);
	KUNIT_EXPECT_TRUE(test, list_empty(&pages));
	end_owner(test, to);
}

static void put_batch_one_by_one(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_RELEASE);
	struct folio_batch fbatch;
	int i;

	folio_batch_init(&fbatch);
	for (i = 0; i < 6; i++)
		folio_batch_add(&fbatch, new_folio(test, i & 1 ? to : NULL, 0));

	folios_put(&fbatch);
	KUNIT_EXPECT_EQ(test, 3, to->frees);
	KUNIT_EXPECT_EQ(test, 0, folio_batch_count(&fbatch));
	end_owner(test, to);
}

/* o o A A A B o B B, where o has no owner, and A and B have: three runs. */
static void put_batch_runs(struct kunit *test)
{
	struct test_owner *a = new_owner(test, &test_batch_ops, END_RELEASE);
	struct test_owner *b = new_owner(test, &test_batch_ops, END_RELEASE);
	struct test_owner *owners[] = { NULL, NULL, a, a, a, b, NULL, b, b };
	struct folio_batch fbatch;
	int i;

	folio_batch_init(&fbatch);
	for (i = 0; i < ARRAY_SIZE(owners); i++)
		folio_batch_add(&fbatch, new_folio(test, owners[i], 0));

	folios_put(&fbatch);
	KUNIT_EXPECT_EQ(test, 1, a->batches);
	KUNIT_EXPECT_EQ(test, 3, a->batched);
	KUNIT_EXPECT_EQ(test, 1, b->batches);
	KUNIT_EXPECT_EQ(test, 2, b->batched);
	/* The first of them came alone. */
	KUNIT_EXPECT_EQ(test, 1, b->frees);
	KUNIT_EXPECT_EQ(test, 0, a->frees);
	end_owner(test, a);
	end_owner(test, b);
}

/* The second of three is still referenced: it is not in the run. */
static void put_batch_refs(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_batch_ops, END_RELEASE);
	unsigned int refs[] = { 2, 2, 1 };
	struct folio_batch fbatch;
	struct folio *held;
	int i;

	folio_batch_init(&fbatch);
	for (i = 0; i < 3; i++)
		folio_batch_add(&fbatch, new_folio(test, to, 0));
	folio_get(fbatch.folios[0]);
	held = fbatch.folios[1];
	folio_ref_add(held, 2);

	folios_put_refs(&fbatch, refs);
	KUNIT_EXPECT_EQ(test, 1, to->batches);
	KUNIT_EXPECT_EQ(test, 2, to->batched);
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(held));

	folio_put(held);
	KUNIT_EXPECT_EQ(test, 1, to->frees);
	end_owner(test, to);
}

static void put_full_batch(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_batch_ops, END_RELEASE);
	struct folio_batch fbatch;

	folio_batch_init(&fbatch);
	while (folio_batch_add(&fbatch, new_folio(test, to, 0)))
		;

	folios_put(&fbatch);
	KUNIT_EXPECT_EQ(test, 1, to->batches);
	KUNIT_EXPECT_EQ(test, PAGEVEC_SIZE, to->batched);
	end_owner(test, to);
}

static void end_republish(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_REPUBLISH);
	struct folio *folio = new_folio(test, to, 0);

	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 1, to->frees);
	KUNIT_EXPECT_EQ(test, 2, folio_ref_count(folio));
	KUNIT_EXPECT_PTR_EQ(test, &to->owner, folio_owner(folio));

	to->ending = END_RELEASE;
	folio_put(folio);
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 2, to->frees);
	end_owner(test, to);
}

static void end_defer(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_DEFER);
	struct folio *folios[5];
	int i;

	for (i = 0; i < ARRAY_SIZE(folios); i++)
		folios[i] = new_folio(test, to, 0);
	for (i = 0; i < ARRAY_SIZE(folios); i++)
		folio_put(folios[i]);

	folio_owner_flush(&to->owner);
	KUNIT_EXPECT_EQ(test, 5, to->frees);
	KUNIT_EXPECT_EQ(test, 5, to->deferred);
	end_owner(test, to);
}

static void end_clear(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_CLEAR);

	folio_put(new_folio(test, to, 0));
	KUNIT_EXPECT_EQ(test, 1, to->frees);
	end_owner(test, to);
}

/* Interrupts off, a spinlock held: as a callback may be called. */
static void put_in_atomic_context(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_DEFER);
	struct folio *folio = new_folio(test, to, 0);
	static DEFINE_SPINLOCK(lock);
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	folio_put(folio);
	spin_unlock_irqrestore(&lock, flags);

	folio_owner_flush(&to->owner);
	KUNIT_EXPECT_EQ(test, 1, to->deferred);
	end_owner(test, to);
}

/* A word without the tag, as something that scribbles over it would leave. */
static void corrupted_word(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_batch_ops, END_RELEASE);
	struct folio *folio = new_folio(test, to, 0);
	struct folio_batch fbatch;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (i == FOLIO_OWNER_TAG)
			continue;
		folio->private = (void *)((unsigned long)&to->owner | i);
		KUNIT_EXPECT_NULL(test, folio_owner(folio));
		KUNIT_EXPECT_TRUE(test, folio_ref_freeze(folio, 1));
		KUNIT_EXPECT_FALSE(test, __folio_owner_free(folio));
		folio_batch_init(&fbatch);
		folio_batch_add(&fbatch, folio);
		KUNIT_EXPECT_EQ(test, 0, folio_owner_free_run(&fbatch, NULL, 0));
		folio_ref_unfreeze(folio, 1);
	}
	KUNIT_EXPECT_EQ(test, 0, to->frees + to->batches);

	folio->private = (void *)((unsigned long)&to->owner | FOLIO_OWNER_TAG);
	folio_put(folio);
	end_owner(test, to);
}

#ifdef CONFIG_ZONE_DEVICE
static void set_zone_device(struct folio *folio)
{
	set_page_zone(&folio->page, ZONE_DEVICE);
}
#else
static void set_zone_device(struct folio *folio)
{
}
#endif

/* Device memory, or what passes for it: the page allocator must not get it. */
static void corrupted_word_of_device(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_batch_ops, END_RELEASE);
	struct folio *folio = new_folio(test, to, 0);
	unsigned long flags = folio->flags;
	struct folio_batch fbatch;

	set_zone_device(folio);
	if (!folio_is_zone_device(folio)) {
		folio_put(folio);
		end_owner(test, to);
		kunit_skip(test, "CONFIG_ZONE_DEVICE is off");
	}
	folio->private = to;
	KUNIT_EXPECT_TRUE(test, folio_ref_freeze(folio, 1));
	KUNIT_EXPECT_TRUE(test, __folio_owner_free(folio));
	folio_batch_init(&fbatch);
	folio_batch_add(&fbatch, folio);
	KUNIT_EXPECT_EQ(test, 1, folio_owner_free_run(&fbatch, NULL, 0));
	KUNIT_EXPECT_EQ(test, 0, to->frees + to->batches);

	folio->flags = flags;
	folio_ref_unfreeze(folio, 1);
	folio->private = (void *)((unsigned long)&to->owner | FOLIO_OWNER_TAG);
	folio_put(folio);
	end_owner(test, to);
}

static void init_without_free(struct kunit *test)
{
	static const struct folio_owner_ops no_free = { .name = "kunit" };
	static const struct folio_owner_ops no_name = { .free = test_free };
	static struct folio_owner owner;

	KUNIT_EXPECT_EQ(test, -EINVAL, folio_owner_init(&owner, &no_free, NULL));
	KUNIT_EXPECT_EQ(test, -EINVAL, folio_owner_init(&owner, &no_name, NULL));
}

static struct folio_owner_stats __percpu *alloc_nothing(void)
{
	return NULL;
}

static int init_nothing(struct folio_owner *owner)
{
	return -ENOMEM;
}

static void init_without_memory(struct kunit *test)
{
	static struct folio_owner owner;

	kunit_activate_static_stub(test, folio_owner_alloc_stats, alloc_nothing);
	KUNIT_EXPECT_EQ(test, -ENOMEM, folio_owner_init(&owner, &test_ops, NULL));
	kunit_deactivate_static_stub(test, folio_owner_alloc_stats);

	kunit_activate_static_stub(test, folio_owner_init_live, init_nothing);
	KUNIT_EXPECT_EQ(test, -ENOMEM, folio_owner_init(&owner, &test_ops, NULL));
	kunit_deactivate_static_stub(test, folio_owner_init_live);

	KUNIT_EXPECT_EQ(test, 0, folio_owner_init(&owner, &test_ops, NULL));
	folio_owner_exit(&owner);
}

static void account_many(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_RELEASE);
	struct folio *folio = new_folio(test, NULL, 0);

	/* As for a memmap: one call for the account, a mark for each folio. */
	KUNIT_EXPECT_EQ(test, 0, folio_owner_get_many(&to->owner, 3));
	folio_owner_mark(folio, &to->owner);
	KUNIT_EXPECT_PTR_EQ(test, &to->owner, folio_owner(folio));
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 1, to->frees);
	folio_owner_put_many(&to->owner, 2);
	end_owner(test, to);
}

static int shutdown_thread(void *data)
{
	struct test_owner *to = data;

	folio_owner_exit(&to->owner);
	/* Stays until it is stopped, for kthread_stop() to find it. */
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* The ways in which the last folio may go while folio_owner_exit() waits. */
static void exit_waits(struct kunit *test, enum ending ending)
{
	struct test_owner *to = new_owner(test, &test_ops, ending);
	struct folio *last = new_folio(test, to, 0);
	struct folio *late = new_folio(test, NULL, 0);
	struct task_struct *task;
	int err;

	task = kthread_run(shutdown_thread, to, "folio_owner_exit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));

	/* Once shut down it takes no more folios, and the folio is unchanged. */
	while (!(err = folio_owner_set(late, &to->owner))) {
		folio_owner_clear(late);
		schedule_timeout_uninterruptible(1);
	}
	KUNIT_EXPECT_EQ(test, -ESHUTDOWN, err);
	KUNIT_EXPECT_FALSE(test, folio_test_private(late));
	KUNIT_EXPECT_EQ(test, 0, to->frees);

	folio_put(last);
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, 1, to->frees);
	KUNIT_EXPECT_EQ(test, ending == END_DEFER, to->deferred);
	KUNIT_EXPECT_FALSE(test, to->bad_state);
	folio_put(late);
	kfree(to);
}

static void exit_waits_for_release(struct kunit *test)
{
	exit_waits(test, END_RELEASE);
}

static void exit_waits_for_deferred(struct kunit *test)
{
	exit_waits(test, END_DEFER);
}

static struct folio_owner test_parent;

static void test_part_free(struct folio *folio)
{
	folio_owner_release(folio);
}

static bool test_part_detach(struct folio *folio)
{
	folio_owner_clear(folio);
	return true;
}

static const struct folio_owner_ops test_part_ops = {
	.name		= "kunit-part",
	.module		= THIS_MODULE,
	.parent		= &test_parent,
	.free		= test_part_free,
	.detach		= test_part_detach,
};

/* The folios of a part are those of its parent. */
static void part_counts_for_parent(struct kunit *test)
{
	struct folio *folio = new_folio(test, NULL, 0);
	struct folio_owner *part = kunit_kzalloc(test, sizeof(*part), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, part);
	KUNIT_ASSERT_EQ(test, 0, folio_owner_init(&test_parent, &test_ops, "test"));
	folio_owner_init_part(part, &test_part_ops);
	KUNIT_EXPECT_EQ(test, 0, folio_owner_set(folio, part));
	KUNIT_EXPECT_PTR_EQ(test, part, folio_owner(folio));
	folio_put(folio);
	/* Does not wait: the folio of the part was released. */
	folio_owner_exit(&test_parent);
}

static void part_is_not_registered(struct kunit *test)
{
	struct folio_owner *owner = kunit_kzalloc(test, sizeof(*owner), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, owner);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			folio_owner_init(owner, &test_part_ops, "test"));
}

static void detach(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_RELEASE);
	struct folio *plain = new_folio(test, NULL, 0);
	struct folio *owned = new_folio(test, to, 0);
	struct folio *folio = new_folio(test, NULL, 0);
	struct folio_owner *part = kunit_kzalloc(test, sizeof(*part), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, part);
	/* Nobody to ask, and somebody who does not let go. */
	KUNIT_EXPECT_FALSE(test, folio_owner_detach(plain));
	KUNIT_EXPECT_FALSE(test, folio_owner_detach(owned));
	KUNIT_EXPECT_PTR_EQ(test, &to->owner, folio_owner(owned));

	KUNIT_ASSERT_EQ(test, 0, folio_owner_init(&test_parent, &test_ops, "test"));
	folio_owner_init_part(part, &test_part_ops);
	KUNIT_EXPECT_EQ(test, 0, folio_owner_set(folio, part));
	KUNIT_EXPECT_TRUE(test, folio_owner_detach(folio));
	KUNIT_EXPECT_NULL(test, folio_owner(folio));
	KUNIT_EXPECT_FALSE(test, folio_owner_detach(folio));
	folio_owner_exit(&test_parent);

	folio_put(plain);
	folio_put(owned);
	folio_put(folio);
	end_owner(test, to);
}

static struct kunit_case folio_owner_cases[] = {
	KUNIT_CASE(set_and_clear),
	KUNIT_CASE(set_twice),
	KUNIT_CASE(set_on_private_data),
	KUNIT_CASE(set_in_swapcache),
	KUNIT_CASE(put_one),
	KUNIT_CASE(put_large),
	KUNIT_CASE(put_list),
	KUNIT_CASE(put_batch_one_by_one),
	KUNIT_CASE(put_batch_runs),
	KUNIT_CASE(put_batch_refs),
	KUNIT_CASE(put_full_batch),
	KUNIT_CASE(end_republish),
	KUNIT_CASE(end_defer),
	KUNIT_CASE(end_clear),
	KUNIT_CASE(put_in_atomic_context),
	KUNIT_CASE(corrupted_word),
	KUNIT_CASE(corrupted_word_of_device),
	KUNIT_CASE(init_without_free),
	KUNIT_CASE(init_without_memory),
	KUNIT_CASE(account_many),
	KUNIT_CASE(part_counts_for_parent),
	KUNIT_CASE(part_is_not_registered),
	KUNIT_CASE(detach),
	KUNIT_CASE(exit_waits_for_release),
	KUNIT_CASE(exit_waits_for_deferred),
	{}
};

static struct kunit_suite folio_owner_suite = {
	.name = "folio_owner",
	.test_cases = folio_owner_cases,
};

kunit_test_suite(folio_owner_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit tests of folio_owner");
MODULE_LICENSE("GPL");
