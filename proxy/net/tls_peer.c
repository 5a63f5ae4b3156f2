/* What TLS says of the other side: what was agreed with it, and its certificate, where that was verified. */
#include <openssl/x509v3.h>
#include <string.h>

#include "base/buf.h"
#include "proxy/net/conn_impl.h"
#include "proxy/net/tls_impl.h"

/* NULL: none was shown, or it does not count. A resumed session brings the one of its first handshake, which may have expired. */
static const X509 *certificate(const struct net_conn *c)
{
    const SSL *ssl = c->tls ? net_tls_stream_ssl(c->impl->stream) : NULL;
    const X509 *cert = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
    if (!cert || SSL_get_verify_result(ssl) != X509_V_OK || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE ||
        X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
        return NULL;
    return cert;
}

/* /C=SE/O=Shop/CN=app, as MySQL and MariaDB write names; a slash within a part is \/, so that no part can pose as two. */
static void name_write(const X509_NAME *name, struct buf *out)
{
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        unsigned char *text = NULL;
        int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
        char kind[80];
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        if (nid == NID_undef)
            OBJ_obj2txt(kind, sizeof kind, X509_NAME_ENTRY_get_object(entry), 1);
        buf_printf(out, "/%s=", nid == NID_undef ? kind : OBJ_nid2sn(nid));
        for (int at = 0; at < n; at++) {
            if (text[at] == '/')
                buf_u8(out, '\\');
            buf_u8(out, text[at]);
        }
        OPENSSL_free(text);
    }
}

static bool name_is(const X509_NAME *name, const char *expected)
{
    struct buf text = {0};
    name_write(name, &text);
    bool same = buf_len(&text) == strlen(expected) && !memcmp(buf_at(&text), expected, buf_len(&text));
    buf_fini(&text);
    return same;
}

bool net_conn_certificate_is(const struct net_conn *c, const char *subject, const char *issuer)
{
    const X509 *cert = certificate(c);
    return cert && (!subject || name_is(X509_get_subject_name(cert), subject)) &&
           (!issuer || name_is(X509_get_issuer_name(cert), issuer));
}

/* NULs within do not shorten it: the class of CVE-2009-2408. */
static bool string_is(const ASN1_STRING *string, const char *expected)
{
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, string);
    bool same = n >= 0 && (size_t)n == strlen(expected) && !memcmp(text, expected, (size_t)n);
    OPENSSL_free(text);
    return same;
}

static bool common_name_is(const X509_NAME *name, const char *expected)
{
    for (int at = -1; (at = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0;)
        if (string_is(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)), expected))
            return true;
    return false;
}

static bool alternative_name_is(const X509 *cert, const char *expected)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI)
            found = string_is(name->d.ia5, expected);
    }
    GENERAL_NAMES_free(names);
    return found;
}

bool net_conn_certificate_names(const struct net_conn *c, const char *identity)
{
    const X509 *cert = certificate(c);
    return cert && (common_name_is(X509_get_subject_name(cert), identity) || alternative_name_is(cert, identity));
}

const char *net_conn_tls_cipher(const struct net_conn *c)
{
    return c->tls ? SSL_get_cipher_name(net_tls_stream_ssl(c->impl->stream)) : "";
}

const char *net_conn_tls_version(const struct net_conn *c)
{
    return c->tls ? SSL_get_version(net_tls_stream_ssl(c->impl->stream)) : "";
}
