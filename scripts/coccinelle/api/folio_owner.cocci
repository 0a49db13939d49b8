// SPDX-License-Identifier: GPL-2.0
/// What must not be done to an owned folio, see Documentation/mm/folio_owner.rst.
///
//# - folio->private is written where the folio has, or gets, an owner
//# - pages are freed by a name of the allocator's, where they have, or get, an owner
//# - a callback of an owner, which runs in any context, sleeps
//# - a count is tested for zero by hand, and what is at zero freed without its owner
//# - a count of one is taken for the only reference, without the folio lock
//#
//# The last is a heuristic: code that lets nobody else find the folio is right.
//
// Confidence: Moderate
// Options: --no-includes --include-headers

virtual context
virtual report
virtual org

@private@
expression folio, E, owner;
position p;
@@

(
  folio_owner_set(folio, owner)
|
  folio_owner_set_new(folio, owner)
|
  folio_owner_mark(folio, owner)
)
  ... when != folio_owner_clear(folio)
      when != folio_owner_release(folio)
      when any
(
  folio->private@p = E
|
  folio_attach_private@p(folio, E)
|
  folio_change_private@p(folio, E)
|
  folio_detach_private@p(folio)
)

@allocator@
expression folio, owner, order;
position p;
@@

(
  folio_owner_set(folio, owner)
|
  folio_owner_set_new(folio, owner)
)
  ... when != folio_owner_clear(folio)
      when any
(
  __free_pages@p(&folio->page, order)
|
  __free_page@p(&folio->page)
|
  __free_pages@p(folio_page(folio, ...), order)
|
  __free_page@p(folio_page(folio, ...))
)

@free@
identifier o, f;
@@

struct folio_owner_ops o = {
	.free = f,
};

@batch@
identifier o, f;
@@

struct folio_owner_ops o = {
	.free_batch = f,
};

@callback@
identifier f = { free.f, batch.f };
position p;
@@

f@p(...) { ... }

@sleeps@
identifier callback.f, x;
position p;
@@

f(...)
{
  <+...
(
  mutex_lock@p(...)
|
  down_read@p(...)
|
  down_write@p(...)
|
  msleep@p(...)
|
  schedule@p(...)
|
  cond_resched@p(...)
|
  synchronize_rcu@p(...)
|
  flush_work@p(...)
|
  wait_for_completion@p(...)
|
  wait_event@p(...)
|
  folio_lock@p(...)
|
  vfree@p(...)
|
  x@p(..., GFP_KERNEL, ...)
|
  x@p(..., GFP_KERNEL)
)
  ...+>
}

@byhand@
expression folio;
position p;
@@

  if (\(folio_put_testzero@p\|put_page_testzero@p\)(folio)) {
    <+...
    \(__free_page\|__free_pages\|free_unref_page\)(...);
    ...+>
  }

@lone@
expression folio, E;
position p;
@@

  ... when != folio_lock(folio)
      when != folio_trylock(folio)
      when != folio_test_locked(folio)
  if (folio_ref_count@p(folio) == 1) {
    <+...
(
    folio->private = E
|
    folio_clear_uptodate(folio)
|
    folio_zero_range(folio, ...)
)
    ...+>
  }

@script:python depends on report@
p << private.p;
@@
coccilib.report.print_report(p[0], "folio->private is that of the owner")

@script:python depends on report@
p << allocator.p;
@@
coccilib.report.print_report(p[0], "an owned folio is freed behind its owner's back")

@script:python depends on report@
p << sleeps.p;
f << callback.f;
@@
coccilib.report.print_report(p[0], "%s() may be called in atomic context" % f)

@script:python depends on report@
p << byhand.p;
@@
coccilib.report.print_report(p[0], "the last put of a folio is its owner's to hear of")

@script:python depends on report@
p << lone.p;
@@
coccilib.report.print_report(p[0], "count one does not mean alone without the folio lock")
