#include <libxml/xmlversion.h>
/* With ICU the headers of libxml2 pull in those of the system's ICU, which clash with Foundation's own. Only the end of
 * a struct that nobody here touches (xmlCharEncodingHandler) depends on it. */
#undef LIBXML_ICU_ENABLED
#include <libxml/xmlreader.h>
#include <libxml/xmlwriter.h>
#include <libxml/xmlerror.h>

/// Frees what libxml2 allocated: `xmlFree` itself is a mutable global, which Swift does not let one call.
static inline void wado_xml_free(void *memory) { xmlFree(memory); }
