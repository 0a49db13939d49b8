// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of folio_owner: the encoding, the three places of the free path,
 * what a callback may do with a folio, and the end of a domain.
 */
#include <kunit/test.h>
#include <linux/folio_owner.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include "../folio_owner.h"

static void test_free_deferred(struct list_head *folios);

DEFINE_FOLIO_OWNER_DOMAIN(test_domain, "kunit", test_free_deferred);

static long test_live(void)
{
	long live = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		live += per_cpu_ptr(test_domain.stats, cpu)->nr[FOLIO_OWNER_LIVE];
	return live;
}

/* What the callbacks of a test_owner do. */
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
	unsigned int lists;		/* calls of free_deferred() */
	unsigned int deferred;		/* folios that it got */
	pgoff_t last;			/* index of the one before */
	struct completion *reached;	/* completed at the end of free_deferred() */
	struct completion *gate;	/* which then waits for this */
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

/* One list for all owners of the domain, first come, first served. */
static void test_free_deferred(struct list_head *folios)
{
	struct test_owner *first = to_test(list_first_entry(folios, struct folio,
							    lru));
	struct folio *folio, *next;

	might_sleep();
	first->lists++;
	list_for_each_entry_safe(folio, next, folios, lru) {
		struct test_owner *to = to_test(folio);

		if (folio_ref_count(folio) || folio->mapping || !in_task() ||
		    folio_test_lru(folio) || folio->index < to->last)
			to->bad_state = true;
		to->last = folio->index;
		to->deferred++;
		list_del(&folio->lru);
		folio_owner_release(folio);
	}
	if (first->gate) {
		complete(first->reached);
		wait_for_completion(first->gate);
	}
}

static const struct folio_owner_ops test_ops = {
	.module	= THIS_MODULE,
	.free	= test_free,
};

/* As those of an owner that is built in. */
static const struct folio_owner_ops test_builtin_ops = {
	.free	= test_free,
};

static const struct folio_owner_ops test_batch_ops = {
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
	to->owner.ops = ops;
	to->owner.domain = &test_domain;
	to->ending = ending;
	return to;
}

static void end_owner(struct kunit *test, struct test_owner *to)
{
	KUNIT_EXPECT_FALSE(test, to->bad_state);
	if (READ_ONCE(test->status) != KUNIT_FAILURE)
		kfree(to);
}

static struct folio *new_folio(struct kunit *test, struct test_owner *to,
			       unsigned int order)
{
	struct folio *folio = folio_alloc(GFP_KERNEL | __GFP_COMP, order);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	folio->index = 0;
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

	folio_owner_flush(&test_domain);
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

	folio_owner_flush(&test_domain);
	KUNIT_EXPECT_EQ(test, 1, to->deferred);
	end_owner(test, to);
}

/*
 * A word without the tag, as something that scribbles over it would leave: the
 * folio is leaked, nobody is called, and nothing is followed.
 */
static void corrupted_word(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_batch_ops, END_RELEASE);
	struct folio *folio = new_folio(test, to, 0);
	struct folio *other = new_folio(test, to, 0);
	struct folio_batch fbatch;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (i == FOLIO_OWNER_TAG)
			continue;
		folio->private = (void *)((unsigned long)&to->owner | i);
		KUNIT_EXPECT_NULL(test, folio_owner(folio));
		folio_put(folio);
		KUNIT_EXPECT_EQ(test, 0, folio_ref_count(folio));
		folio_ref_unfreeze(folio, 1);

		folio_get(other);
		folio_batch_init(&fbatch);
		folio_batch_add(&fbatch, folio);
		folio_batch_add(&fbatch, other);
		folios_put(&fbatch);
		KUNIT_EXPECT_EQ(test, 0, folio_ref_count(folio));
		KUNIT_EXPECT_EQ(test, 1, folio_ref_count(other));
		folio_ref_unfreeze(folio, 1);
	}
	KUNIT_EXPECT_EQ(test, 0, to->frees + to->batches);

	folio->private = (void *)((unsigned long)&to->owner | FOLIO_OWNER_TAG);
	folio_put(folio);
	folio_put(other);
	KUNIT_EXPECT_EQ(test, 2, to->frees);
	end_owner(test, to);
}

/* As for a memmap: one call for the account, a mark for each folio. */
static void account_many(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_builtin_ops, END_RELEASE);
	struct folio *folio = new_folio(test, NULL, 0);

	folio_owner_account(&test_domain, 3);
	folio_owner_mark(folio, &to->owner);
	KUNIT_EXPECT_PTR_EQ(test, &to->owner, folio_owner(folio));
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 1, to->frees);
	KUNIT_EXPECT_EQ(test, 2, test_live());
	folio_owner_account(&test_domain, -2);
	end_owner(test, to);
}

/* What an allocator left behind is reported, and does not get in the way. */
static void set_new(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_RELEASE);
	struct folio *folio = new_folio(test, NULL, 0);

	folio_set_private(folio);
	folio->private = test;
	folio_owner_set_new(folio, &to->owner);
	KUNIT_EXPECT_PTR_EQ(test, &to->owner, folio_owner(folio));
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 1, to->frees);
	end_owner(test, to);
}

/* Nothing but the owner itself: 16 bytes on 64-bit. */
static void owner_is_two_words(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 2 * sizeof(void *), sizeof(struct folio_owner));
}

#if IS_BUILTIN(CONFIG_FOLIO_OWNER_KUNIT_TEST)
/* While it is deferred, those who scan the LRU must not find it. */
static void defer_from_lru(struct kunit *test)
{
	struct test_owner *to = new_owner(test, &test_ops, END_DEFER);
	struct folio *folio = new_folio(test, to, 0);

	/* The batch of the LRU has a reference. */
	folio_add_lru(folio);
	lru_add_drain_all();
	KUNIT_ASSERT_TRUE(test, folio_test_lru(folio));

	folio_put(folio);
	folio_owner_flush(&test_domain);
	KUNIT_EXPECT_EQ(test, 1, to->deferred);
	end_owner(test, to);
}
#else
static void defer_from_lru(struct kunit *test)
{
	kunit_skip(test, "not as a module");
}
#endif

/* Keep the work of the domain busy, until open_gate(). */
struct gate {
	struct completion reached;
	struct completion gate;
	struct test_owner *to;
};

static struct gate *close_gate(struct kunit *test)
{
	struct gate *gate = kunit_kzalloc(test, sizeof(*gate), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, gate);
	init_completion(&gate->reached);
	init_completion(&gate->gate);
	gate->to = new_owner(test, &test_ops, END_DEFER);
	gate->to->reached = &gate->reached;
	gate->to->gate = &gate->gate;
	folio_put(new_folio(test, gate->to, 0));
	wait_for_completion(&gate->reached);
	return gate;
}

static void open_gate(struct kunit *test, struct gate *gate)
{
	complete(&gate->gate);
	folio_owner_flush(&test_domain);
	KUNIT_EXPECT_EQ(test, 1, gate->to->deferred);
	end_owner(test, gate->to);
}

/* All that waits comes in one list, whoever owns it. */
static void defer_together(struct kunit *test)
{
	struct test_owner *a = new_owner(test, &test_ops, END_DEFER);
	struct test_owner *b = new_owner(test, &test_ops, END_DEFER);
	struct test_owner *c = new_owner(test, &test_batch_ops, END_DEFER);
	struct test_owner *owners[] = { a, b, c, a, b, c, a };
	struct gate *gate = close_gate(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(owners); i++) {
		struct folio *folio = new_folio(test, owners[i], 0);

		folio->index = i;
		folio_put(folio);
	}
	open_gate(test, gate);

	KUNIT_EXPECT_EQ(test, 3, a->deferred);
	KUNIT_EXPECT_EQ(test, 2, b->deferred);
	KUNIT_EXPECT_EQ(test, 2, c->deferred);
	KUNIT_EXPECT_EQ(test, 1, a->lists);
	KUNIT_EXPECT_EQ(test, 0, b->lists + c->lists);
	end_owner(test, a);
	end_owner(test, b);
	end_owner(test, c);
}

struct unregister {
	struct task_struct *task;
	bool done;
};

static int unregister_thread(void *data)
{
	struct unregister *un = data;

	folio_owner_unregister(&test_domain);
	WRITE_ONCE(un->done, true);
	/* Stays until it is stopped, for kthread_stop() to find it. */
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* The last folio has gone, but the callback that released it has not returned. */
static void unregister_waits(struct kunit *test)
{
	struct unregister un = { };
	struct gate *gate;
	int i;

	folio_owner_register(&test_domain);
	gate = close_gate(test);
	KUNIT_EXPECT_EQ(test, 0, test_live());

	un.task = kthread_run(unregister_thread, &un, "folio_owner_test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(un.task));
	for (i = 0; i < 10; i++) {
		synchronize_rcu();
		schedule_timeout_uninterruptible(1);
	}
	KUNIT_EXPECT_FALSE(test, READ_ONCE(un.done));

	open_gate(test, gate);
	while (!READ_ONCE(un.done))
		schedule_timeout_uninterruptible(1);
	kthread_stop(un.task);
}

/* The account of all cases before it comes out even. */
static void live_is_zero(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, test_live());
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
	KUNIT_CASE(account_many),
	KUNIT_CASE(set_new),
	KUNIT_CASE(owner_is_two_words),
	KUNIT_CASE(defer_from_lru),
	KUNIT_CASE(defer_together),
	KUNIT_CASE(unregister_waits),
	KUNIT_CASE(live_is_zero),
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
