// SPDX-License-Identifier: GPL-2.0
/*
 * A pool of pages, as an example of a folio owner.
 *
 * /dev/folio_pool can be mapped.  Its pages come from the pool, and are back there
 * with their last reference, be that of a mapping, a pipe or direct I/O.  In the
 * pool they are owned, and their count is zero.
 */
#include <linux/folio_owner.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(pool_lock);
static LIST_HEAD(pool);
static unsigned int pool_size;
static unsigned int pool_max = 64;

static struct folio *pool_take(unsigned int keep)
{
	struct folio *folio = NULL;

	spin_lock_irq(&pool_lock);
	if (pool_size > keep) {
		folio = list_first_entry(&pool, struct folio, lru);
		list_del(&folio->lru);
		pool_size--;
	}
	spin_unlock_irq(&pool_lock);
	return folio;
}

/* The last reference went, in any context.  Nobody can get one: it is ours. */
static void pool_free(struct folio *folio)
{
	unsigned long flags;
	bool full;

	spin_lock_irqsave(&pool_lock, flags);
	full = pool_size >= pool_max;
	if (!full) {
		list_add(&folio->lru, &pool);
		pool_size++;
	}
	spin_unlock_irqrestore(&pool_lock, flags);
	if (full)
		folio_owner_release(folio);
}

static const struct folio_owner_ops pool_ops = {
	.module	= THIS_MODULE,
	.free	= pool_free,
};

DEFINE_FOLIO_OWNER_DOMAIN(pool_domain, "folio_pool", NULL);

static struct folio_owner pool_owner = {
	.ops	= &pool_ops,
	.domain	= &pool_domain,
};

static struct folio *pool_alloc(void)
{
	struct folio *folio = pool_take(0);

	if (folio) {
		/* What its last use has left behind. */
		folio_clear_dirty(folio);
		folio_zero_range(folio, 0, folio_size(folio));
		folio_owner_republish(folio, 1);
		return folio;
	}

	folio = folio_alloc(GFP_KERNEL | __GFP_ZERO, 0);
	if (folio && folio_owner_set(folio, &pool_owner)) {
		folio_put(folio);
		return NULL;
	}
	return folio;
}

/*
 * Pages in the pool are owned, and keep the module: whoever wants to unload it
 * sets max to 0 first.
 */
static int pool_set_max(const char *text, const struct kernel_param *param)
{
	int err = param_set_uint(text, param);
	struct folio *folio;

	while (!err && (folio = pool_take(READ_ONCE(pool_max)))) {
		folio_owner_release(folio);
		cond_resched();
	}
	return err;
}

static const struct kernel_param_ops pool_max_ops = {
	.set	= pool_set_max,
	.get	= param_get_uint,
};
module_param_cb(max, &pool_max_ops, &pool_max, 0644);
MODULE_PARM_DESC(max, "How many free pages the pool keeps");
module_param_named(size, pool_size, uint, 0444);
MODULE_PARM_DESC(size, "How many free pages the pool has");

static vm_fault_t pool_fault(struct vm_fault *vmf)
{
	struct folio *folio = pool_alloc();

	if (!folio)
		return VM_FAULT_OOM;
	vmf->page = folio_page(folio, 0);
	return 0;
}

static const struct vm_operations_struct pool_vm_ops = {
	.fault	= pool_fault,
};

static int pool_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &pool_vm_ops;
	return 0;
}

static const struct file_operations pool_fops = {
	.owner	= THIS_MODULE,
	.mmap	= pool_mmap,
};

static struct miscdevice pool_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "folio_pool",
	.fops	= &pool_fops,
};

static int __init pool_init(void)
{
	int err;

	folio_owner_register(&pool_domain);
	err = misc_register(&pool_device);
	if (err)
		folio_owner_unregister(&pool_domain);
	return err;
}
module_init(pool_init);

static void __exit pool_exit(void)
{
	misc_deregister(&pool_device);
	folio_owner_unregister(&pool_domain);
}
module_exit(pool_exit);

MODULE_DESCRIPTION("A pool of pages that hears of their last put");
MODULE_LICENSE("GPL");
