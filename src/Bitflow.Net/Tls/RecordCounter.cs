namespace Bitflow.Net.Tls;

/// <summary>
/// Counts the records of a stream of TLS as its bytes pass, in whatever pieces: each begins with its kind, a version and its length (RFC 8446 section 5.1), five bytes.
/// </summary>
internal struct RecordCounter
{
    private const int HeaderBytes = 5;

    /// <summary>Bytes of the record's header that have passed.</summary>
    private int _ofHeader;

    /// <summary>What its length says is still to come.</summary>
    private int _left;

    /// <summary>How many records begin in these bytes.</summary>
    public int Count(ReadOnlySpan<byte> bytes)
    {
        int records = 0;
        int at = 0;
        while (at < bytes.Length)
        {
            if (_ofHeader == HeaderBytes && _left == 0)
                _ofHeader = 0;
            if (_ofHeader == HeaderBytes)
            {
                int passed = Math.Min(_left, bytes.Length - at);
                _left -= passed;
                at += passed;
                continue;
            }

            if (_ofHeader == 0)
                records++;
            if (_ofHeader >= HeaderBytes - 2)
                _left = ((_left << 8) | bytes[at]) & 0xffff;
            _ofHeader++;
            at++;
        }

        return records;
    }
}
