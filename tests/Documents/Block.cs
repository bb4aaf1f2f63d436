using System.Text.RegularExpressions;

namespace Bitflow.Tests.Documents;

/// <summary>A fenced block of a page, and what the comment directly before it says of it.</summary>
/// <param name="Language">What stands behind the fence; empty for nothing.</param>
/// <param name="Line">Where it begins, counted from 1.</param>
/// <param name="Remark">The comment: `not run: why`, `file: name`, `serves`; empty for none.</param>
internal sealed partial record Block(string Page, string Language, string Text, int Line, string Remark)
{
    private const string NotRun = "not run: ";
    private const string FileName = "file: ";

    public bool IsShell => Language is "sh" or "console";

    /// <summary>Why it is not run; null where it is.</summary>
    public string? Exemption => Remark.StartsWith(NotRun, StringComparison.Ordinal) ? Remark[NotRun.Length..] : null;

    /// <summary>The file that the reader is to make of it; null for none.</summary>
    public string? File => Remark.StartsWith(FileName, StringComparison.Ordinal) ? Remark[FileName.Length..] : null;

    /// <summary>Whether its last command goes on while the rest of the page is read.</summary>
    public bool Serves => Remark == "serves";

    public string Place => $"{Page}:{Line}";

    /// <summary>The commands of a shell block, each with the output that the page shows; null where it shows none.</summary>
    public IEnumerable<(string Command, string? Shown)> Commands()
    {
        if (Language == "sh")
            return Joined(Text.Split('\n')).Where(static line => line.Length > 0 && !line.StartsWith('#')).Select(static line => (line, (string?)null));
        return Text.Split("$ ") is [var before, ..] && before.Length == 0
            ? Prompts().Split(Text).Where(static part => part.Length > 0).Select(static part =>
            {
                // A command goes on where its line ends with a backslash.
                int end = -1;
                do
                    end = part.IndexOf('\n', end + 1);
                while (end > 0 && part[end - 1] == '\\');
                return (part[..end], (string?)part[(end + 1)..]);
            })
            : throw new InvalidOperationException($"{Place}: a console block begins with a prompt, \"$ \"");
    }

    /// <summary>All blocks of a page, in its order.</summary>
    public static IEnumerable<Block> Of(string page, string text) => Fences().Matches(text).Select(match => new Block(
        page,
        match.Groups["language"].Value,
        match.Groups["text"].Value,
        text[..match.Groups["text"].Index].Count(static c => c == '\n') + 1,
        match.Groups["remark"].Value));

    private static IEnumerable<string> Joined(string[] lines)
    {
        string whole = "";
        foreach (string line in lines)
        {
            whole += line;
            if (line.EndsWith('\\'))
            {
                whole += "\n";
                continue;
            }

            yield return whole;
            whole = "";
        }
    }

    [GeneratedRegex(@"(?:^<!-- (?<remark>[^\n]+?) -->\n)?^```(?<language>\w*)\n(?<text>.*?)^```$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Fences();

    [GeneratedRegex(@"^\$ ", RegexOptions.Multiline)]
    private static partial Regex Prompts();
}
