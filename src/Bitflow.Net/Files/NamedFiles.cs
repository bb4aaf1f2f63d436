using System.Security.Cryptography;
using System.Text;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Files;

/// <summary>
/// The files that a configuration names, each read once: the digest is of the very bytes that were loaded, so that a change in between is seen by the next
/// reload, and what can be read but once, a pipe, is.
/// </summary>
internal sealed class NamedFiles
{
    private readonly Dictionary<string, (ReadOnlyMemory<byte>? Bytes, string Problem)> _read = new(StringComparer.Ordinal);

    /// <summary>Null where there is nothing to go on with; <paramref name="problem"/> then says why, and begins with the file's name.</summary>
    public ReadOnlyMemory<byte>? Read(string path, out string problem)
    {
        if (!_read.TryGetValue(path, out (ReadOnlyMemory<byte>? Bytes, string Problem) known))
        {
            known.Bytes = NamedFile.Read(path, out known.Problem);
            _read.Add(path, known);
        }

        problem = known.Problem;
        return known.Bytes;
    }

    /// <summary>Digests of their contents by path; empty for a file that cannot be read: whoever loads it says so.</summary>
    public Dictionary<string, string> Digests(IEnumerable<string> paths) =>
        paths.ToDictionary(static path => path, path => Read(path, out _) is { } bytes ? Digest(bytes.Span) : "");

    /// <summary>A character a byte: it is compared, and shown to nobody. Where the machine has nothing to make digests with, contents stand for themselves.</summary>
    private static string Digest(ReadOnlySpan<byte> bytes) =>
        Encoding.Latin1.GetString(PlatformTls.IsThere ? SHA256.HashData(bytes) : bytes);
}
