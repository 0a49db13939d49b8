// SPDX-License-Identifier: GPL-2.0
/*
 * Lets user space be the last to put a folio, of any owner or of one of its
 * own, in each way in which the kernel puts folios.  For the selftests in
 * tools/testing/selftests/folio_owner, see test_folio_owner_uapi.h.
 */
#include <linux/delay.h>
#include <linux/folio_drain.h>
#include <linux/folio_owner.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "test_folio_owner_uapi.h"

struct test_file {
	struct folio *folio;
	struct mutex lock;		/* of what was grabbed */
	unsigned int nr_grabbed;
	struct folio *grabbed[TEST_FOLIO_OWNER_MAX_GRABBED];
};

DEFINE_FOLIO_OWNER_DOMAIN(test_domain, "test_folio_owner", NULL);

static void test_free(struct folio *folio)
{
	folio_owner_release(folio);
}

static const struct folio_owner_ops test_ops = {
	.module	= THIS_MODULE,
	.free	= test_free,
};

static struct folio_owner test_owner = {
	.ops	= &test_ops,
	.domain	= &test_domain,
};

/* Long enough for the module to be unloaded meanwhile, if that were possible. */
static atomic_t test_lingering = ATOMIC_INIT(0);

static void test_free_and_linger(struct folio *folio)
{
	atomic_inc(&test_lingering);
	folio_owner_release(folio);
	mdelay(300);
	atomic_dec(&test_lingering);
}

static const struct folio_owner_ops test_linger_ops = {
	.module	= THIS_MODULE,
	.free	= test_free_and_linger,
};

static struct folio_owner test_linger_owner = {
	.ops	= &test_linger_ops,
	.domain	= &test_domain,
};

/* With one reference; NULL also if the module is on its way out. */
static struct folio *test_alloc(struct folio_owner *owner)
{
	struct folio *folio = folio_alloc(GFP_HIGHUSER | __GFP_ZERO, 0);

	if (folio && folio_owner_set(folio, owner)) {
		folio_put(folio);
		return NULL;
	}
	return folio;
}

/* References to pages of others, or of ours, and the ways to drop them. */

static int test_grab(struct test_file *file, void __user *arg)
{
	struct test_folio_owner_grab grab;
	struct page *page;
	unsigned int i;
	long ret;

	if (copy_from_user(&grab, arg, sizeof(grab)))
		return -EFAULT;
	if (grab.nr > ARRAY_SIZE(file->grabbed) - file->nr_grabbed)
		return -ENOSPC;

	for (i = 0; i < grab.nr; i++) {
		ret = get_user_pages_fast(grab.addr + i * grab.stride, 1,
					  grab.write ? FOLL_WRITE : 0, &page);
		if (ret != 1)
			return ret < 0 ? ret : -EFAULT;
		file->grabbed[file->nr_grabbed++] = page_folio(page);
	}
	return 0;
}

/* Memory whose memmap is not to be looked at: nothing else says so in time. */
static struct memory_notify gone;
static DECLARE_RWSEM(gone_lock);

static int test_memory_notify(struct notifier_block *block, unsigned long action,
			      void *data)
{
	down_write(&gone_lock);
	if (action == MEM_OFFLINE)
		gone = *(struct memory_notify *)data;
	else if (action == MEM_ONLINE)
		gone.nr_pages = 0;
	up_write(&gone_lock);
	return NOTIFY_OK;
}

static struct notifier_block test_memory_block = {
	.notifier_call = test_memory_notify,
};

/* As those do who look at a page frame on a whim. */
static struct folio *get_frame(unsigned long pfn)
{
	struct folio *folio = NULL;
	struct page *page;

	down_read(&gone_lock);
	page = pfn_to_online_page(pfn);
	if (page && pfn - gone.start_pfn >= gone.nr_pages) {
		folio = page_folio(page);
		if (!folio_try_get(folio))
			folio = NULL;
	}
	up_read(&gone_lock);
	return folio;
}

static int test_grab_frames(struct test_file *file, void __user *arg)
{
	struct test_folio_owner_frames frames;
	unsigned long i;

	if (copy_from_user(&frames, arg, sizeof(frames)))
		return -EFAULT;
	if (frames.nr > ARRAY_SIZE(file->grabbed) - file->nr_grabbed)
		return -ENOSPC;

	for (i = 0; i < frames.nr; i++) {
		struct folio *folio = get_frame(frames.pfn + i);

		if (!folio)
			return -EBUSY;
		file->grabbed[file->nr_grabbed++] = folio;
	}
	return 0;
}

static int test_touch_frames(void __user *arg)
{
	struct test_folio_owner_frames frames;
	unsigned long i;

	if (copy_from_user(&frames, arg, sizeof(frames)))
		return -EFAULT;

	for (i = 0; i < frames.nr; i++) {
		struct folio *folio = get_frame(frames.pfn + i);

		if (folio)
			folio_put(folio);
		cond_resched();
		if (signal_pending(current))
			return -EINTR;
	}
	return 0;
}

static void put_each(struct folio **folios, unsigned int nr)
{
	while (nr--)
		folio_put(*folios++);
}

static void put_batches(struct folio **folios, unsigned int nr,
			unsigned int refs)
{
	unsigned int nr_refs[PAGEVEC_SIZE];
	struct folio_batch fbatch;
	unsigned int i;

	folio_batch_init(&fbatch);
	for (i = 0; i < nr; i++) {
		nr_refs[folio_batch_count(&fbatch)] = refs;
		if (!folio_batch_add(&fbatch, folios[i]))
			folios_put_refs(&fbatch, nr_refs);
	}
	if (folio_batch_count(&fbatch))
		folios_put_refs(&fbatch, nr_refs);
}

/* Hugetlb and device memory have a use for folio->lru while it is referenced. */
static bool can_be_listed(struct folio *folio)
{
	return !folio_test_hugetlb(folio) && !folio_is_zone_device(folio) &&
	       !folio_test_lru(folio);
}

static int put_list(struct folio **folios, unsigned int nr)
{
	LIST_HEAD(list);
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!can_be_listed(folios[i]))
			return -EINVAL;
	for (i = 0; i < nr; i++)
		list_add_tail(&folios[i]->lru, &list);
	put_pages_list(&list);
	return 0;
}

/* As the end of direct I/O may put them. */
struct test_irq {
	struct irq_work work;
	struct folio **folios;
	unsigned int nr;
	bool hard;
};

static void put_in_hardirq(struct irq_work *work)
{
	struct test_irq *irq = container_of(work, struct test_irq, work);

	irq->hard = in_hardirq();
	put_each(irq->folios, irq->nr);
}

static int put_from_hardirq(struct folio **folios, unsigned int nr)
{
	struct test_irq irq = { .folios = folios, .nr = nr };

	init_irq_work(&irq.work, put_in_hardirq);
	irq_work_queue(&irq.work);
	irq_work_sync(&irq.work);
	return irq.hard ? 0 : -EIO;
}

/* As a device would that has them pinned. */
static int test_fill(struct test_file *file, int byte)
{
	unsigned int i;

	for (i = 0; i < file->nr_grabbed; i++) {
		void *page = kmap_local_folio(file->grabbed[i], 0);

		memset(page, byte, PAGE_SIZE);
		kunmap_local(page);
	}
	return 0;
}

static int test_put(struct test_file *file, void __user *arg)
{
	struct test_folio_owner_put put;
	unsigned int nr = file->nr_grabbed;
	unsigned int i;
	int err = 0;

	if (copy_from_user(&put, arg, sizeof(put)))
		return -EFAULT;
	if (!nr || !put.refs)
		return -EINVAL;

	switch (put.how) {
	case TEST_FOLIO_OWNER_FOLIO_PUT:
		for (i = 0; i < put.refs; i++)
			put_each(file->grabbed, nr);
		break;
	case TEST_FOLIO_OWNER_FOLIOS_PUT:
		put_batches(file->grabbed, nr, put.refs);
		break;
	case TEST_FOLIO_OWNER_PUT_PAGES_LIST:
		if (put.refs > 1)
			return -EINVAL;
		err = put_list(file->grabbed, nr);
		break;
	case TEST_FOLIO_OWNER_HARDIRQ_PUT:
		if (put.refs > 1)
			return -EINVAL;
		err = put_from_hardirq(file->grabbed, nr);
		break;
	default:
		return -EINVAL;
	}
	if (err)
		return err;

	file->nr_grabbed = 0;
	put.count = folio_ref_count(file->grabbed[0]);
	return copy_to_user(arg, &put, sizeof(put)) ? -EFAULT : 0;
}

/* A drain of a page that the file has one reference to. */

static int drain_locked(struct folio *folio,
			const struct test_folio_owner_drain *how)
{
	struct folio_drain drain;
	int err;

	err = folio_drain_start(&drain, folio, 1);
	if (err)
		return err;

	err = folio_drain_wait(&drain, how->killable ? TASK_KILLABLE :
			       TASK_UNINTERRUPTIBLE,
			       msecs_to_jiffies(how->timeout_ms));
	if (err && folio_drain_cancel(&drain))
		return err;
	folio_ref_unfreeze(folio, 1);
	return 0;
}

static int test_drain(struct folio *folio, void __user *arg)
{
	struct test_folio_owner_drain how;
	int err;

	if (copy_from_user(&how, arg, sizeof(how)))
		return -EFAULT;

	err = folio_lock_killable(folio);
	if (err)
		return err;
	err = drain_locked(folio, &how);
	folio_unlock(folio);
	return err;
}

static int test_status(struct test_file *file, void __user *arg)
{
	struct test_folio_owner_status status = {
		.count = folio_ref_count(file->folio),
		.owned = folio_owner(file->folio) == &test_owner,
	};

	return copy_to_user(arg, &status, sizeof(status)) ? -EFAULT : 0;
}

/*
 * The race: the caller drains a folio, a thread on another CPU puts what
 * foreign references there are.
 */

/*
 * In turns of race_delay().  The thread takes RACE_DELAY, which is more than
 * the waiter needs to get from one step to the next.  Both add some jitter.
 */
#define RACE_DELAY	2048
#define RACE_MAX_DELAY	(4 * RACE_DELAY)
#define RACE_JITTER	32
#define RACE_MAX_REFS	3

/**
 * struct race - what the waiter and the thread share
 * @folio: the folio
 * @round: the round that the waiter has begun
 * @done: the round that the thread has ended; it uses the folio in between
 * @refs: the references that are the thread's to put
 * @delay: before the first put
 * @putter: the thread
 */
struct race {
	struct folio *folio;
	unsigned long round;
	unsigned long done;
	unsigned int refs;
	unsigned int delay;
	struct task_struct *putter;
};

/* Not cpu_relax(): in a virtual machine that can take longer than the race. */
static void race_delay(unsigned int turns)
{
	while (turns--)
		barrier();
}

static unsigned int race_jitter(void)
{
	return get_random_u32_below(RACE_JITTER);
}

static void race_poll(void)
{
	race_delay(16);
	cond_resched();
}

static int race_putter(void *data)
{
	struct race *race = data;
	unsigned long round = 0;

	while (!kthread_should_stop()) {
		unsigned int i;

		/* Pairs with smp_store_release() in race_begin(). */
		if (smp_load_acquire(&race->round) == round) {
			race_poll();
			continue;
		}
		round++;

		race_delay(race->delay);
		for (i = 0; i < race->refs; i++) {
			folio_put(race->folio);
			/* A speculative reference may be the last, too. */
			if (get_random_u32_below(4) == 0 &&
			    folio_try_get(race->folio))
				folio_put(race->folio);
		}
		/* Pairs with smp_load_acquire() in race_end(). */
		smp_store_release(&race->done, round);
	}
	return 0;
}

static void race_begin(struct race *race, unsigned int refs, unsigned int delay)
{
	race->refs = refs;
	race->delay = delay;
	folio_ref_add(race->folio, refs);
	/* Pairs with smp_load_acquire() in race_putter(). */
	smp_store_release(&race->round, race->round + 1);
}

/* The thread is done with this round, and has no references. */
static void race_end(struct race *race)
{
	/* Pairs with smp_store_release() in race_putter(). */
	while (smp_load_acquire(&race->done) != race->round)
		race_poll();
}

enum race_mode {
	RACE_TO_START,	/* to meet the thread in folio_drain_start() */
	RACE_TO_CANCEL,	/* and in folio_drain_cancel() */
	RACE_TO_WAIT,	/* to sleep, and be woken by the thread */
	RACE_TO_TIME_OUT, /* to sleep, perhaps for too short a time */
	NR_RACE_MODES,
};

/* Cheap enough to do very often, which sleeping is not. */
static enum race_mode race_mode(u64 round)
{
	if (round % 256 == 0)
		return RACE_TO_WAIT;
	if (round % 256 == 1)
		return RACE_TO_TIME_OUT;
	return round % 2 ? RACE_TO_START : RACE_TO_CANCEL;
}

/*
 * One drain.  @delay, in turns, is how long the waiter takes to come to where
 * the race is.  It is moved towards where the waiter comes neither too early
 * nor too late.
 */
static void race_once(struct race *race, struct test_folio_owner_race *result,
		      enum race_mode mode, unsigned int *delay)
{
	struct folio *folio = race->folio;
	struct folio_drain drain;
	bool alone, looked = false;
	bool drained;
	int err;

	race_begin(race, 1 + get_random_u32_below(RACE_MAX_REFS),
		   RACE_DELAY + race_jitter());
	if (mode == RACE_TO_START)
		race_delay(*delay + race_jitter());
	alone = folio_ref_count(folio) == 1;
	err = folio_drain_start(&drain, folio, 1);
	if (err) {
		result->broken++;
		race_end(race);
		return;
	}

	switch (mode) {
	case RACE_TO_WAIT:
		err = folio_drain_wait(&drain, TASK_UNINTERRUPTIBLE,
				       MAX_SCHEDULE_TIMEOUT);
		break;
	case RACE_TO_TIME_OUT:
		err = folio_drain_wait(&drain, TASK_UNINTERRUPTIBLE, 0);
		break;
	case RACE_TO_CANCEL:
		race_delay(*delay + race_jitter());
		fallthrough;
	default:
		err = -ETIMEDOUT;
		break;
	}

	drained = !err;
	if (err) {
		looked = folio_ref_count(folio);
		drained = !folio_drain_cancel(&drain);
	}

	result->rounds++;
	if (!drained)
		result->cancelled++;
	else if (alone)
		result->fast++;
	else if (looked)
		result->lost++;
	else
		result->slow++;

	if (drained == !folio_ref_count(folio) &&
	    folio_owner(folio) == &test_owner) {
		if (drained)
			folio_owner_republish(folio, 1);
		race_end(race);
		/* A callback must not come after a cancel. */
		if (folio_ref_count(folio) != 1 ||
		    (!drained && completion_done(&drain.done)) ||
		    folio_owner(folio) != &test_owner)
			result->broken++;
	} else {
		result->broken++;
		race_end(race);
	}

	if (mode == RACE_TO_START ? alone : drained && !looked)
		*delay -= min(*delay, RACE_JITTER / 4);
	else if (!drained)
		*delay = min(*delay + RACE_JITTER / 4, RACE_MAX_DELAY);
}

static bool race_is_over(const struct test_folio_owner_race *result,
			 unsigned long end)
{
	if (result->broken || time_after(jiffies, end) ||
	    fatal_signal_pending(current))
		return true;
	return result->fast >= result->want && result->slow >= result->want &&
	       result->cancelled >= result->want && result->lost >= result->want;
}

static int test_race(void __user *arg)
{
	unsigned int delay[NR_RACE_MODES] = {
		[RACE_TO_START] = RACE_DELAY,
		[RACE_TO_CANCEL] = RACE_DELAY,
	};
	struct test_folio_owner_race result;
	struct race race = { };
	unsigned long end;
	int cpu;

	if (copy_from_user(&result, arg, sizeof(result)))
		return -EFAULT;
	result.rounds = 0;
	result.fast = 0;
	result.slow = 0;
	result.cancelled = 0;
	result.lost = 0;
	result.broken = 0;

	/* The caller may be moved there: that costs rounds, no more. */
	cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	if (cpu >= nr_cpu_ids)
		return -ENXIO;
	race.folio = test_alloc(&test_owner);
	if (!race.folio)
		return -ENOMEM;
	race.putter = kthread_create_on_cpu(race_putter, &race, cpu,
					    "folio_owner_race/%u");
	if (IS_ERR(race.putter)) {
		folio_put(race.folio);
		return PTR_ERR(race.putter);
	}
	wake_up_process(race.putter);

	folio_lock(race.folio);
	end = jiffies + msecs_to_jiffies(result.timeout_ms);
	while (!race_is_over(&result, end)) {
		enum race_mode mode = race_mode(result.rounds);

		race_once(&race, &result, mode, &delay[mode]);
		cond_resched();
	}
	kthread_stop(race.putter);
	folio_unlock(race.folio);
	folio_put(race.folio);
	return copy_to_user(arg, &result, sizeof(result)) ? -EFAULT : 0;
}

/* The device. */

static int test_open(struct inode *inode, struct file *opened)
{
	struct test_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	file->folio = test_alloc(&test_owner);
	if (!file->folio) {
		kfree(file);
		return -ENOMEM;
	}
	opened->private_data = file;
	return 0;
}

static int test_release(struct inode *inode, struct file *opened)
{
	struct test_file *file = opened->private_data;

	put_each(file->grabbed, file->nr_grabbed);
	folio_put(file->folio);
	kfree(file);
	return 0;
}

static int test_mmap(struct file *opened, struct vm_area_struct *vma)
{
	struct test_file *file = opened->private_data;
	struct folio_owner *owner = &test_owner;
	unsigned long addr;
	int err;

	if (vma->vm_pgoff == TEST_FOLIO_OWNER_LINGER)
		owner = &test_linger_owner;
	else if (vma->vm_pgoff)
		return -EINVAL;

	err = vm_insert_page(vma, vma->vm_start, &file->folio->page);
	for (addr = vma->vm_start + PAGE_SIZE; !err && addr < vma->vm_end;
	     addr += PAGE_SIZE) {
		struct folio *folio = test_alloc(owner);

		if (!folio)
			return -ENOMEM;
		err = vm_insert_page(vma, addr, &folio->page);
		folio_put(folio);
	}
	return err;
}

static long test_ioctl(struct file *opened, unsigned int cmd, unsigned long arg)
{
	struct test_file *file = opened->private_data;
	void __user *user = (void __user *)arg;
	int err;

	switch (cmd) {
	case TEST_FOLIO_OWNER_GRAB:
		mutex_lock(&file->lock);
		err = test_grab(file, user);
		mutex_unlock(&file->lock);
		return err;
	case TEST_FOLIO_OWNER_GRAB_FRAMES:
		mutex_lock(&file->lock);
		err = test_grab_frames(file, user);
		mutex_unlock(&file->lock);
		return err;
	case TEST_FOLIO_OWNER_TOUCH_FRAMES:
		return test_touch_frames(user);
	case TEST_FOLIO_OWNER_PUT:
		mutex_lock(&file->lock);
		err = test_put(file, user);
		mutex_unlock(&file->lock);
		return err;
	case TEST_FOLIO_OWNER_FILL:
		mutex_lock(&file->lock);
		err = test_fill(file, arg);
		mutex_unlock(&file->lock);
		return err;
	case TEST_FOLIO_OWNER_DRAIN:
		return test_drain(file->folio, user);
	case TEST_FOLIO_OWNER_DRAIN_GRABBED:
		/* Keeps the folio from being put through the same file. */
		if (mutex_lock_killable(&file->lock))
			return -EINTR;
		err = file->nr_grabbed == 1 ?
			test_drain(file->grabbed[0], user) : -EINVAL;
		mutex_unlock(&file->lock);
		return err;
	case TEST_FOLIO_OWNER_STATUS:
		return test_status(file, user);
	case TEST_FOLIO_OWNER_RACE:
		return test_race(user);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations test_fops = {
	.owner		= THIS_MODULE,
	.open		= test_open,
	.release	= test_release,
	.mmap		= test_mmap,
	.unlocked_ioctl	= test_ioctl,
};

static struct miscdevice test_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "test_folio_owner",
	.fops	= &test_fops,
	.mode	= 0600,
};

static int __init test_init(void)
{
	int err = register_memory_notifier(&test_memory_block);

	if (err)
		return err;
	err = misc_register(&test_device);
	if (err) {
		unregister_memory_notifier(&test_memory_block);
		return err;
	}
	folio_owner_register(&test_domain);
	return 0;
}
module_init(test_init);

static void __exit test_exit(void)
{
	misc_deregister(&test_device);
	unregister_memory_notifier(&test_memory_block);
	folio_owner_unregister(&test_domain);
	WARN_ON(atomic_read(&test_lingering));
}
module_exit(test_exit);

MODULE_DESCRIPTION("Device for the folio_owner selftests");
MODULE_LICENSE("GPL");
