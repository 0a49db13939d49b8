/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM folio_owner
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE folio_drain

#if !defined(_TRACE_FOLIO_DRAIN_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_FOLIO_DRAIN_H

#include <linux/mm.h>
#include <linux/tracepoint.h>

TRACE_EVENT(folio_drain_start,
	    TP_PROTO(struct folio *folio, unsigned int refs),
	    TP_ARGS(folio, refs),

	    TP_STRUCT__entry(__field(unsigned long, pfn)
			     __field(unsigned int, refs)
			     __field(int, count)),

	    TP_fast_assign(__entry->pfn = folio_pfn(folio);
			   __entry->refs = refs;
			   __entry->count = folio_ref_count(folio);),

	    TP_printk("pfn=0x%lx refs=%u count=%d", __entry->pfn,
		      __entry->refs, __entry->count)
);

TRACE_EVENT(folio_drain_end,
	    TP_PROTO(struct folio *folio, unsigned int refs, u64 ns,
		     bool drained),
	    TP_ARGS(folio, refs, ns, drained),

	    TP_STRUCT__entry(__field(unsigned long, pfn)
			     __field(unsigned int, refs)
			     __field(u64, ns)
			     __field(bool, drained)),

	    TP_fast_assign(__entry->pfn = folio_pfn(folio);
			   __entry->refs = refs;
			   __entry->ns = ns;
			   __entry->drained = drained;),

	    TP_printk("pfn=0x%lx refs=%u ns=%llu %s", __entry->pfn,
		      __entry->refs, __entry->ns,
		      __entry->drained ? "drained" : "cancelled")
);

#endif /* _TRACE_FOLIO_DRAIN_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
