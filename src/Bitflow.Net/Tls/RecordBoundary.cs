namespace Bitflow.Net.Tls;

/// <summary>Follows a stream of TLS records (RFC 8446 section 5.1: type, version, length, and so many bytes), however it is cut up.</summary>
internal struct RecordBoundary
{
    private const int HeaderBytes = 5;

    private int _headerBytes;
    private int _left;

    /// <summary>How many of the next bytes belong to the record at hand, which may end with them: at least one of at least one.</summary>
    public int Take(ReadOnlySpan<byte> next)
    {
        int taken = 0;
        while (_headerBytes < HeaderBytes)
        {
            if (taken == next.Length)
                return taken;
            if (_headerBytes == HeaderBytes - 2)
                _left = next[taken] << 8;
            else if (_headerBytes == HeaderBytes - 1)
                _left |= next[taken];
            _headerBytes++;
            taken++;
        }

        int body = Math.Min(_left, next.Length - taken);
        _left -= body;
        if (_left == 0)
            _headerBytes = 0;
        return taken + body;
    }
}
