namespace Bitflow.Net.Tls;

/// <summary>
/// A block of a PEM file (RFC 7468 section 2). The platform's own way of finding them (`PemEncoding`) is made for all there is, of generic code that a start would have to compile first
/// (decision 10).
/// </summary>
/// <param name="Label">`CERTIFICATE`, say.</param>
/// <param name="Content">Null where it is cut off, or not in base 64.</param>
/// <param name="IsEncrypted">By its label (RFC 5958 section 3), or the line at its head (RFC 1421 section 4.6.1.1).</param>
internal sealed record PemBlock(string Label, byte[]? Content, bool IsEncrypted)
{
    private const string Begin = "-----BEGIN ";
    private const string Hyphens = "-----";

    /// <summary>Those of a text, in their order, in one pass: whatever stands between them is passed over.</summary>
    public static IEnumerable<PemBlock> All(string text)
    {
        int at = 0;
        while (text.IndexOf(Begin, at, StringComparison.Ordinal) is var begin and >= 0)
        {
            at = begin + Begin.Length;

            // Labels have no hyphen here, as no letter of base 64 is one: the next ends the first line, and the one behind that begins the last, or there is none.
            int line = text.IndexOf('-', at);
            if (line < 0 || !text.AsSpan(line).StartsWith(Hyphens))
                continue;
            string label = text[at..line];
            at = line + Hyphens.Length;
            int end = text.IndexOf('-', at);
            ReadOnlySpan<char> within = text.AsSpan(at, (end < 0 ? text.Length : end) - at);
            bool isWhole = end >= 0 && text.AsSpan(end).StartsWith($"-----END {label}-----");
            bool isEncrypted = (isWhole && label.StartsWith("ENCRYPTED", StringComparison.Ordinal)) || text.AsSpan(at).TrimStart().StartsWith("Proc-Type: 4,ENCRYPTED");
            yield return new PemBlock(label, isWhole ? Decode(within) : null, isEncrypted);
        }
    }

    /// <summary>How one of the label begins.</summary>
    public static string FirstLine(string label) => $"{Begin}{label}{Hyphens}";

    /// <summary>In PEM, of a block that has its content.</summary>
    public string Write() => $"{FirstLine(Label)}\n{Convert.ToBase64String(Content!, Base64FormattingOptions.InsertLineBreaks)}\n-----END {Label}-----\n";

    private static byte[]? Decode(ReadOnlySpan<char> letters)
    {
        byte[] block = new byte[letters.Length];
        return Convert.TryFromBase64Chars(letters, block, out int bytes) ? block[..bytes] : null;
    }
}
