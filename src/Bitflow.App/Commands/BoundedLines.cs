using System.Text;

namespace Bitflow.App.Commands;

/// <summary>The lines of a file that may be anything: of a line longer than any record only the beginning is held.</summary>
internal static class BoundedLines
{
    /// <summary>In characters. The longest record, every text in it at its longest, stays far below.</summary>
    private const int Longest = 1024 * 1024;

    public static IEnumerable<string> Read(TextReader reader)
    {
        var line = new StringBuilder();
        char[] buffer = new char[64 * 1024];
        int count;
        while ((count = reader.Read(buffer, 0, buffer.Length)) > 0)
        {
            int start = 0;
            while (start < count)
            {
                int end = Array.IndexOf(buffer, '\n', start, count - start);
                int length = (end < 0 ? count : end) - start;
                line.Append(buffer, start, Math.Min(length, Longest - line.Length));
                start += length + 1;
                if (end < 0)
                    continue;
                yield return line.ToString();
                line.Clear();
            }
        }

        if (line.Length > 0)
            yield return line.ToString();
    }
}
