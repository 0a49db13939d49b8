/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM folio_owner

#if !defined(_TRACE_FOLIO_OWNER_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_FOLIO_OWNER_H

#include <linux/folio_owner.h>
#include <linux/mm.h>
#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(folio_owner_class,
		    TP_PROTO(struct folio *folio, struct folio_owner *owner),
		    TP_ARGS(folio, owner),

		    TP_STRUCT__entry(__field(unsigned long, pfn)
				     __field(unsigned int, order)
				     __field(void *, owner)
				     __string(name, owner->domain->name)),

		    TP_fast_assign(__entry->pfn = folio_pfn(folio);
				   __entry->order = folio_order(folio);
				   __entry->owner = owner;
				   __assign_str(name);),

		    TP_printk("owner=%s:%p pfn=0x%lx order=%u",
			      __get_str(name), __entry->owner, __entry->pfn,
			      __entry->order)
);

DEFINE_EVENT(folio_owner_class, folio_owner_set,
	     TP_PROTO(struct folio *folio, struct folio_owner *owner),
	     TP_ARGS(folio, owner)
);

DEFINE_EVENT(folio_owner_class, folio_owner_clear,
	     TP_PROTO(struct folio *folio, struct folio_owner *owner),
	     TP_ARGS(folio, owner)
);

/* Once per callback: @nr folios, of which @folio is the first. */
TRACE_EVENT_FN(folio_owner_free,
	       TP_PROTO(struct folio *folio, struct folio_owner *owner,
			unsigned int nr),
	       TP_ARGS(folio, owner, nr),

	       TP_STRUCT__entry(__field(unsigned long, pfn)
				__field(unsigned int, order)
				__field(unsigned int, nr)
				__field(void *, owner)
				__string(name, owner->domain->name)),

	       TP_fast_assign(__entry->pfn = folio_pfn(folio);
			      __entry->order = folio_order(folio);
			      __entry->nr = nr;
			      __entry->owner = owner;
			      __assign_str(name);),

	       TP_printk("owner=%s:%p pfn=0x%lx order=%u nr=%u", __get_str(name),
			 __entry->owner, __entry->pfn, __entry->order,
			 __entry->nr),

	       folio_owner_watch, folio_owner_unwatch
);

#endif /* _TRACE_FOLIO_OWNER_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
