using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using VmScope.Machine;
using VmScope.Paging;

namespace VmScope.Lab;

/// <summary>A column of a report.</summary>
/// <param name="Key">Its name in JSON.</param>
/// <param name="Title">Its heading.</param>
/// <param name="IsNumber">Whether it holds numbers, which are right-aligned and have no quotes in JSON.</param>
internal sealed record LabColumn(string Key, string Title, bool IsNumber = false);

/// <summary>A report of the lab: rows under columns, and for some the kernel's own text.</summary>
/// <param name="Name">What was shown.</param>
/// <param name="Columns">The columns.</param>
/// <param name="Rows">The rows; a null cell is left empty, and out of the JSON.</param>
internal sealed record LabReport(string Name, ImmutableArray<LabColumn> Columns, List<string?[]> Rows)
{
    /// <summary>The text printed in place of the table; null for the table.</summary>
    internal string? KernelText { get; init; }

    /// <summary>The lines people see.</summary>
    internal IEnumerable<string> Lines()
    {
        if (KernelText is { } text)
        {
            return text.TrimEnd('\n').Split('\n');
        }

        int[] widths = [.. Columns.Select((column, c) => Math.Max(column.Title.Length, Rows.Count == 0 ? 0 : Rows.Max(row => row[c]?.Length ?? 0)))];
        IEnumerable<string?[]> all = Rows.Prepend([.. Columns.Select(column => (string?)column.Title)]);
        return all.Select(row =>
        {
            StringBuilder line = new();
            for (int c = 0; c < row.Length; c++)
            {
                string cell = row[c] ?? "";
                line.Append(c > 0 ? "  " : "").Append(Columns[c].IsNumber ? cell.PadLeft(widths[c]) : cell.PadRight(widths[c]));
            }

            return line.ToString().TrimEnd();
        });
    }
}

/// <summary>Writes reports as JSON.</summary>
internal static class LabJson
{
    private static readonly JsonWriterOptions Options = new() { Indented = true };

    /// <summary>A table: its name and an object per row.</summary>
    internal static string Of(LabReport report) => Written(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("show", report.Name);
        writer.WriteStartArray("rows");
        foreach (string?[] row in report.Rows)
        {
            writer.WriteStartObject();
            for (int c = 0; c < row.Length; c++)
            {
                if (row[c] is not { } cell)
                {
                    continue;
                }

                if (report.Columns[c].IsNumber && ulong.TryParse(cell, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number))
                {
                    writer.WriteNumber(report.Columns[c].Key, number);
                }
                else
                {
                    writer.WriteString(report.Columns[c].Key, cell);
                }
            }

            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    });

    /// <summary>An operation with everything it did.</summary>
    internal static string Of(OperationReport report) => Written(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("operation", report.Operation);
        writer.WriteBoolean("succeeded", report.Succeeded);
        writer.WriteString("summary", report.Summary);
        if (report.Address is { } address)
        {
            writer.WriteString("address", address.ToString());
        }

        if (report.Fault is { } fault)
        {
            writer.WriteStartObject("fault");
            writer.WriteString("address", fault.Address.ToString());
            writer.WriteNumber("error_code", fault.ErrorCode);
            writer.WriteString("meaning", fault.ErrorCodeText);
            writer.WriteEndObject();
        }

        Array("steps", report.Log.Steps, step => writer.WriteStringValue(step));
        Array("holes", report.Log.Holes, hole => Object(("start", hole.Start.ToString()), ("end", hole.EndExclusive.ToString()), ("why", hole.Why)));
        writer.WriteNumber("frame_count", report.Log.Frames.Total);
        Array("frames", report.Log.Frames, move => Object(("frame", $"0x{move.First.Value:x}"), ("order", $"{move.Order}"), ("zone", move.Zone), ("move", move.IsTaken ? "taken" : "given back"), ("what", move.What)));
        writer.WriteNumber("entry_count", report.Log.Entries.Total);
        Array("entries", report.Log.Entries, entry => Object(("level", entry.LevelName), ("address", entry.Address.ToString()), ("at", entry.EntryAddress.ToString()), ("old", $"0x{entry.Old:x}"), ("new", $"0x{entry.New:x}")));
        Array("flushes", report.Log.Flushes, flush => Object(("scope", flush.Scope switch { FlushScope.Page => "page", FlushScope.Range => "range", FlushScope.All => "all" }), ("range", flush.Range?.ToString()), ("cpu", flush.Cpu?.ToString(CultureInfo.InvariantCulture)), ("why", flush.Why)));
        Array("messages", report.Log.Messages, message => writer.WriteStringValue(message));
        writer.WriteEndObject();

        void Array<T>(string name, IEnumerable<T> items, Action<T> write)
        {
            writer.WriteStartArray(name);
            foreach (T item in items)
            {
                write(item);
            }

            writer.WriteEndArray();
        }

        void Object(params ReadOnlySpan<(string Name, string? Value)> members)
        {
            writer.WriteStartObject();
            foreach ((string name, string? value) in members)
            {
                if (value is not null)
                {
                    writer.WriteString(name, value);
                }
            }

            writer.WriteEndObject();
        }
    });

    private static string Written(Action<Utf8JsonWriter> write)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, Options))
        {
            write(writer);
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length).Replace("\r", "", StringComparison.Ordinal);
    }
}
